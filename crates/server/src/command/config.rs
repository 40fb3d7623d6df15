//! `weir config`.
#![expect(clippy::print_stdout, reason = "this is what the command is for")]

use crate::{
    Failure,
    cli::ConfigCall,
    config::{Sources, load, reference},
};

pub(crate) fn run(call: ConfigCall) -> Result<(), Failure> {
    match call {
        ConfigCall::Check { file } => {
            let loaded = load(&Sources { file: Some(file.clone()), ..Sources::default() })?;
            println!("{}: fine", file.display());
            for key in loaded.without_effect {
                println!("{}: `{key}` does nothing in this build of weir", file.display());
            }
        }
        ConfigCall::Default => print!("{}", reference::as_toml()),
    }
    Ok(())
}
