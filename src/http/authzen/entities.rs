//! Subjects, actions and resources, and what they mean here. The errors name the member that is
//! missing or has the wrong type, and never quote a value, which may be a token.

use serde_json::Value;
use utoipa::ToSchema;

use super::json::{Json, Object};
use crate::actors::decide_access::Evaluation;
use crate::config::PublicUrl;
use crate::domain::bundle::BundleName;
use crate::domain::export_token::AccessQuery;
use crate::domain::hub::{HubId, NodeId};
use crate::domain::rights::Right;
use crate::http::reference;
use crate::store::access::{AccessQuestion, BundleRef};
use crate::store::lookup::UserRef;

/// The type of users, as subjects and as resources.
pub(super) const USER: &str = "user";
const EXPORT_TOKEN: &str = "export_token";
const NODE: &str = "node";
const BUNDLE: &str = "bundle";
/// The maximum number of ancestors of a node.
const MAX_ANCESTORS: usize = 63;

/// Why a request or one of its evaluations is invalid.
pub(super) type Invalid = String;

/// A subject or a resource.
pub(super) struct Entity<'a> {
    pub kind: &'a str,
    /// Absent if this is what a search is for.
    pub id: Option<&'a str>,
    properties: Option<&'a Object<'a>>,
}

/// The user whose data a resource is, and the bundle that counts.
pub(super) struct PermissionResource {
    pub target: UserRef,
    pub bundle: Option<BundleRef>,
}

/// A subject or a resource. For a token: `{"type": "export_token", "id": "cse_…"}` and
/// `{"type": "node", "id": …, "properties": {"hub_id": …, "ancestors": […]}}`. For a permission:
/// `{"type": "user", "id": …}`, and as a resource also `{"type": "bundle", "id": …, "properties":
/// {"user_target": …}}`.
#[derive(ToSchema)]
#[schema(as = authzen::Entity)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct EntitySchema {
    r#type: String,
    /// The token, or the id of the node. A user is an email address, a URI or a number; a bundle is
    /// a URI, a number or a name.
    id: String,
    /// Of a node: `hub_id`, `ancestors`. Of a user: `bundle`. Of a bundle: `user_target`.
    properties: Option<serde_json::Map<String, Value>>,
}

/// An action: `{"name": "read"}`.
#[derive(ToSchema)]
#[schema(as = authzen::Action)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ActionSchema {
    /// The name of a right. No other action is ever permitted.
    #[schema(example = "read")]
    name: String,
    /// Ignored.
    properties: Option<serde_json::Map<String, Value>>,
}

/// The member with this name, which must be an object if it is present.
pub(super) fn object<'a>(parent: &'a Object<'a>, name: &str) -> Result<Option<&'a Object<'a>>, Invalid> {
    match parent.get(name)? {
        None => Ok(None),
        Some(Json::Object(object)) => Ok(Some(object)),
        Some(_) => Err(format!("`{name}` must be an object.")),
    }
}

/// The text of a member of `parent`, whose own name is for messages.
fn text<'a>(parent: &'a Object<'a>, of: &str, name: &str) -> Result<&'a str, Invalid> {
    match parent.get(name)? {
        Some(Json::Text(text)) => Ok(text),
        Some(_) => Err(format!("`{of}.{name}` must be a string.")),
        None => Err(format!("`{of}.{name}` is required.")),
    }
}

/// Parses the subject or the resource, which `name` says.
pub(super) fn entity<'a>(json: &'a Object<'a>, name: &str) -> Result<Entity<'a>, Invalid> {
    let searched = searched_entity(json, name)?;
    Ok(Entity { id: Some(text(json, name, "id")?), ..searched })
}

/// Parses the subject or the resource that a search is for. An id is ignored.
pub(super) fn searched_entity<'a>(json: &'a Object<'a>, name: &str) -> Result<Entity<'a>, Invalid> {
    let kind = text(json, name, "type")?;
    let properties = object(json, "properties").map_err(|_| invalid_properties(name))?;
    Ok(Entity { kind, id: None, properties })
}

/// Parses an action. `None`: it is not the name of a right.
pub(super) fn action(json: &Object) -> Result<Option<Right>, Invalid> {
    object(json, "properties").map_err(|_| invalid_properties("action"))?;
    text(json, "action", "name").map(Right::from_name)
}

fn invalid_properties(of: &str) -> Invalid {
    format!("`{of}.properties` must be an object.")
}

/// What an evaluation asks. Members that it lacks are those of `defaults`.
pub(super) fn evaluation(
    own: &Object,
    defaults: Option<&Object>,
    public_url: &PublicUrl,
) -> Result<Evaluation, Invalid> {
    let member = |name: &str| match (object(own, name)?, defaults) {
        (None, Some(defaults)) => object(defaults, name),
        (own, _) => Ok::<_, Invalid>(own),
    };
    let required = |name: &str| member(name)?.ok_or_else(|| format!("`{name}` is required."));
    let subject = entity(required("subject")?, "subject")?;
    let right = action(required("action")?)?;
    let resource = entity(required("resource")?, "resource")?;
    member("context")?;
    if subject.kind == EXPORT_TOKEN && resource.kind == NODE {
        let (hub, nodes) = resource.node()?;
        let access = right.map(|right| AccessQuery { hub, nodes, required_rights: right.into() });
        let presented = subject.id.unwrap_or_default().to_owned();
        return Ok(access.map_or(Evaluation::Denied, |access| Evaluation::ExportToken { presented, access }));
    }
    let resource = resource.permission_resource(public_url)?;
    let question = subject.user(public_url).zip(resource).zip(right);
    Ok(question.map_or(Evaluation::Denied, |((grantee, PermissionResource { target, bundle }), right)| {
        Evaluation::Permission(AccessQuestion { grantee, target, bundle, right })
    }))
}

impl Entity<'_> {
    /// The user, if this can be one.
    pub(super) fn user(&self, public_url: &PublicUrl) -> Option<UserRef> {
        let id = self.id.filter(|_| self.kind == USER)?;
        reference::parse_user(id, public_url)
    }

    /// The hub, the node and its ancestors. Names that no hub or node can have are left out.
    fn node(&self) -> Result<(Option<HubId>, Vec<NodeId>), Invalid> {
        let hub = match self.property("hub_id")? {
            Some(Json::Text(hub)) => HubId::new(hub).ok(),
            Some(_) => return Err("`resource.properties.hub_id` must be a string.".to_owned()),
            None => return Err("`resource.properties.hub_id` is required for a node.".to_owned()),
        };
        let ancestors = match self.property("ancestors")? {
            Some(Json::Array(ancestors)) if ancestors.len() <= MAX_ANCESTORS => ancestors.as_slice(),
            None => &[],
            Some(_) => return Err(invalid_ancestors()),
        };
        let mut nodes: Vec<NodeId> = self.id.and_then(|id| NodeId::new(id).ok()).into_iter().collect();
        for ancestor in ancestors {
            match ancestor {
                Json::Text(ancestor) => nodes.extend(NodeId::new(ancestor)),
                _ => return Err(invalid_ancestors()),
            }
        }
        Ok((hub, nodes))
    }

    /// The user whose data this resource is, and the bundle. `None`: it cannot be a user's data.
    pub(super) fn permission_resource(
        &self,
        public_url: &PublicUrl,
    ) -> Result<Option<PermissionResource>, Invalid> {
        let (target, bundle) = match (self.kind, self.id) {
            (USER, Some(id)) => (Some(id.to_owned()), self.reference("bundle")?),
            (BUNDLE, Some(id)) => {
                let target = self.reference("user_target")?;
                (
                    Some(target.ok_or("`resource.properties.user_target` is required for a bundle.")?),
                    Some(id.to_owned()),
                )
            }
            _ => (None, None),
        };
        let target = target.and_then(|target| reference::parse_user(&target, public_url));
        Ok(match (target, bundle) {
            (Some(target), None) => Some(PermissionResource { target, bundle: None }),
            (Some(target), Some(bundle)) => bundle_ref(&bundle, public_url)
                .map(|bundle| PermissionResource { target, bundle: Some(bundle) }),
            (None, _) => None,
        })
    }

    /// For a search for users: the bundle that the permissions must be for, if any. `None`: there is
    /// no such bundle.
    pub(super) fn searched_bundle(
        &self,
        public_url: &PublicUrl,
    ) -> Result<Option<Option<BundleRef>>, Invalid> {
        let bundle = self.reference("bundle")?;
        Ok(bundle.map_or(Some(None), |bundle| bundle_ref(&bundle, public_url).map(Some)))
    }

    fn property(&self, name: &str) -> Result<Option<&Json<'_>>, Invalid> {
        self.properties.map_or(Ok(None), |properties| properties.get(name))
    }

    /// A reference to a user or a bundle in the properties.
    fn reference(&self, name: &str) -> Result<Option<String>, Invalid> {
        match self.property(name)? {
            Some(Json::Text(text)) => Ok(Some(text.to_string())),
            Some(Json::Integer(id)) => Ok(Some(id.to_string())),
            Some(_) => Err(format!("`resource.properties.{name}` must be a string or a number.")),
            None => Ok(None),
        }
    }
}

fn invalid_ancestors() -> Invalid {
    format!("`resource.properties.ancestors` must be an array of at most {MAX_ANCESTORS} strings.")
}

fn bundle_ref(text: &str, public_url: &PublicUrl) -> Option<BundleRef> {
    let id = reference::parse_bundle(text, public_url).map(BundleRef::Id);
    id.or_else(|| BundleName::new(text).ok().map(BundleRef::Name))
}
