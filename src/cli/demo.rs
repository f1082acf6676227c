//! TEMPORARY: the demonstration is not built yet.

use super::CliError;

/// Becomes the walk through both loops; with `once`, and nothing after it.
pub fn run(_once: bool) -> Result<(), CliError> {
    Err(CliError::NotBuilt)
}
