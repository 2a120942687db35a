//! Completions and the manual page, made from the definition of the command line.

use clap::CommandFactory;

use super::out;
use crate::cli::Cli;
use crate::error::{Error, reason};

/// Prints the completion script of a shell.
pub fn completions(shell: clap_complete::Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mcp-sandbox", &mut script);
    out::print(&String::from_utf8_lossy(&script))
}

/// Prints the manual page of the program, each sub-command with its options.
pub fn page() -> Result<(), Error> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let mut render = |command: &clap::Command, whole: bool| {
        let man = clap_mangen::Man::new(command.clone());
        match whole {
            true => man.render(&mut page),
            false => man
                .render_name_section(&mut page)
                .and_then(|()| man.render_synopsis_section(&mut page))
                .and_then(|()| man.render_options_section(&mut page)),
        }
    };
    let rendered = render(&command, true).and_then(|()| {
        command
            .get_subcommands()
            .try_for_each(|command| render(command, false))
    });
    rendered.map_err(|error| Error::setup(format!("cannot write the manual page: {}", reason(&error))))?;
    out::print(&String::from_utf8_lossy(&page))
}
