//! The program is the library, so that tests and the fuzzer reach every part of it.

fn main() -> std::process::ExitCode {
    mcp_sandbox::main()
}
