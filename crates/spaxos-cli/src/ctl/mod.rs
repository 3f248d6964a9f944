//! `spaxos ctl`: looks at a running cluster, from outside.

mod status;
mod table;

pub(crate) use self::status::ask;
use crate::args::CtlCommand;

/// Runs the command.
///
/// # Errors
/// If an endpoint cannot be asked, or the answer cannot be printed.
pub(crate) async fn run(command: CtlCommand) -> anyhow::Result<()> {
    match command {
        CtlCommand::Status(args) => status::run(args).await,
    }
}
