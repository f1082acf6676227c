//! `countersign bundle`: the named sets of rights that users request from each other.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::CliError;
use super::output::{ListItem, Output};
use crate::domain::audit::AuditContext;
use crate::domain::bundle::{Bundle, BundleName, Description};
use crate::domain::rights::Mask;
use crate::services::admin::bundles;
use crate::store::Store;
use crate::store::bundles::NewBundle;

/// The subcommands of `countersign bundle`.
#[derive(Subcommand)]
pub enum BundleCommand {
    /// Add a bundle
    Add(AddBundleArgs),
    /// List all bundles
    List,
}

/// The arguments of `countersign bundle add`.
#[derive(Args)]
pub struct AddBundleArgs {
    /// The name shown in mails, at most 100 characters
    #[arg(value_parser = BundleName::new)]
    name: BundleName,
    /// The description, at most 1000 characters on one line
    #[arg(long, default_value = "", hide_default_value = true, value_parser = Description::new)]
    description: Description,
    /// The rights: the name of a right, or the sum of several
    ///
    /// anyone = 1, read = 2, get = 4, write = 8, admin = 16, owner = 32. For
    /// example, 6 is read and get.
    #[arg(long, value_name = "MASK", default_value = "2")]
    permission: Mask,
}

#[derive(Serialize)]
struct BundleListItem<'a> {
    id: i64,
    name: &'a str,
    description: &'a str,
    permission: u8,
    #[serde(skip)]
    rights: Mask,
}

impl<'a> From<&'a Bundle> for BundleListItem<'a> {
    fn from(bundle: &'a Bundle) -> Self {
        Self {
            id: bundle.id.0,
            name: bundle.name.as_str(),
            description: bundle.description.as_str(),
            permission: bundle.permission.bits(),
            rights: bundle.permission,
        }
    }
}

impl ListItem for BundleListItem<'_> {
    const HEADERS: &'static [&'static str] = &["ID", "NAME", "MASK", "RIGHTS", "DESCRIPTION"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.to_owned(),
            self.permission.to_string(),
            self.rights.to_string(),
            self.description.to_owned(),
        ]
    }
}

/// Runs a subcommand.
pub fn run(command: BundleCommand, store: &Store, output: &Output) -> Result<(), CliError> {
    match command {
        BundleCommand::Add(args) => add(args, store, output),
        BundleCommand::List => {
            let bundles = store.read(bundles::all())?;
            output.list(&bundles.iter().map(BundleListItem::from).collect::<Vec<_>>())
        }
    }
}

fn add(
    AddBundleArgs { name, description, permission }: AddBundleArgs,
    store: &Store,
    output: &Output,
) -> Result<(), CliError> {
    let new = NewBundle { name, description, permission };
    let bundle = store.write(bundles::add(new, AuditContext::OPERATOR))?;
    let sentence = format!("Added {} as bundle {}: {permission}.", bundle.name.as_str(), bundle.id);
    output.success(&BundleListItem::from(&bundle), &sentence)
}
