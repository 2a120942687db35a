//! The rules by name: what each is about, in the words of `lint --format sarif`.

use super::{Finding, Severity};
use crate::profile::Origin;

/// What a rule looks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in every format, which does not change.
    pub id: &'static str,
    /// What a profile does that breaks it.
    pub title: &'static str,
    /// Why that matters, in one sentence or two.
    pub why: &'static str,
}

impl Rule {
    /// A finding of this rule.
    pub(super) fn at(
        &'static self,
        origin: &Origin,
        severity: Severity,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Finding {
        Finding {
            rule: self,
            severity,
            message: message.into(),
            cure: cure.into(),
            origin: origin.clone(),
        }
    }
}

macro_rules! rules {
    ($($name:ident $id:literal $title:literal $why:literal)*) => {
        $(pub static $name: Rule = Rule { id: $id, title: $title, why: $why };)*

        /// Every rule, in the order of the documentation.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    BROAD_MOUNT "broad-mount"
        "A mount shows far more than one server needs"
        "Whatever lies in it later is shown too. Mount the one folder that the server works on."
    CREDENTIALS "credentials"
        "A mount gives a credential store"
        "A hostile server acts as you wherever these keys are good."
    CONTROL_SOCKET "control-socket"
        "A mount gives a socket that controls what is outside the box"
        "Who can connect to it, read-only mount or not, starts programs, uses keys or reads the screen outside the box."
    UNIX_SOCKET "unix-socket"
        "A mount gives a socket of a program outside the box"
        "A program that listens on a socket file takes whoever can open it for its user."
    WRITABLE_CODE "writable-code"
        "The server can change programs"
        "What it writes there is executed later, outside the box or as the server itself."
    WRITE_EXECUTE "write-execute"
        "The server can execute what it writes"
        "A program that is fetched or built can be started from a folder that is both writable and executable."
    WRITABLE_SENSITIVE "writable-sensitive"
        "The server can change files that other programs execute or trust"
        "A hook or a setting that it leaves there runs outside the box, as you."
    OWN_PROFILE "own-profile"
        "The server can change what says what it may do"
        "The next run gives what this one wrote."
    RE_INCLUDED "re-included"
        "An exclusion is taken back for some files"
        "A later pattern with ! opens what an earlier one closed, also for files that do not exist yet."
    NO_EXCLUDE "no-exclude"
        "A folder is shown whole to a server that has hosts to send it to"
        "Folders of projects hold .env files and keys, and data goes to any host that is allowed."
    PATH_ARGS_WRITE "path-args-write"
        "Each path among the arguments becomes writable"
        "Who writes the command line decides what the server can change."
    HOME_KEPT "home-kept"
        "The private home lasts from run to run"
        "What a hostile server leaves there, code among it, is there at its next start."
    WILDCARD_HOST "wildcard-host"
        "Every name below a suffix is allowed"
        "Data also leaves in the names that are looked up, and forgotten names below a suffix are taken over."
    OPEN_WILDCARD "open-wildcard"
        "A wildcard allows names that anyone can have"
        "It is no limit: whoever wants data registers a name below the suffix."
    NO_INSPECT "no-inspect"
        "A wildcard is allowed and the name inside TLS is not compared"
        "Names below a wildcard often lie on a CDN, which serves other owners' hosts to whoever asks for them inside TLS."
    WIDE_NET "wide-net"
        "An address rule allows a large part of the internet"
        "It is no limit to where data goes."
    LAN "lan"
        "Addresses of the local network are allowed"
        "Devices there often trust whoever reaches them: routers, printers, storage, other machines."
    CLOUD_METADATA "cloud-metadata"
        "The cloud's metadata service is allowed"
        "Whoever reads it can often act as this machine."
    HOST_LOOPBACK "host-loopback"
        "Services of this machine's own loopback are allowed"
        "They take whoever reaches them for a program of yours, many without a password."
    MANY_PORTS "many-ports"
        "A host is allowed with many ports"
        "Each port is another service. Name those that the server uses."
    PLAIN_HTTP "plain-http"
        "A host is allowed on port 80"
        "What goes there can be read and changed on the way, tokens included."
    TELEMETRY "telemetry"
        "A host is allowed that collects usage data"
        "The server works without it, and it is a way out for what the server knows."
    SECRET_VALUE "secret-value"
        "A secret stands in the profile"
        "Profiles are shared, committed and shown by `explain`; process lists show arguments."
    SECRET_PASSED "secret-passed"
        "A secret of the client's environment is passed"
        "The server and every program it starts can read it and send it to any host that is allowed."
    CONTROL_VARIABLE "control-variable"
        "A variable is passed that leads to a control socket"
        "It is of use only to reach the display, an agent or a daemon outside the box."
    CODE_VARIABLE "code-variable"
        "A variable is passed that makes programs load code"
        "What the client's environment holds there runs inside the server, with its secrets."
    TLS_OFF "tls-off"
        "Certificates are not checked"
        "Whoever is on the way can read and change everything, tokens included."
    CAPABILITY "capability"
        "The server keeps a capability"
        "Capabilities open parts of the kernel that most attacks on it start from."
    RUNS_AS_ROOT "runs-as-root"
        "The server runs as root"
        "Files that it makes in writable mounts are root's, and may be setuid."
    UNPINNED_PACKAGE "unpinned-package"
        "The command starts whatever release of a package is the newest"
        "A release that was taken over runs at the next start."
    NO_LIMIT "no-limit"
        "A limit is missing or higher than any server needs"
        "One server can take the machine's memory, processes or disk from everything else."
}
