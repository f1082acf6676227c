//! What the dialect tells of itself: the index and each resource's schema, as
//! tastypie writes them. Both are for anybody: Hexoskin's client remembers a
//! refusal for ever.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use super::query::USUAL;
use super::{Answer, Kind, Prefix};

/// A field, as a schema tells of it.
#[derive(Clone, Copy)]
struct Field {
    name: &'static str,
    holds: Holds,
    /// What a body may leave out, or leave empty.
    optional: bool,
    /// What a body may say null for.
    nullable: bool,
    readonly: bool,
    unique: bool,
    help: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Integer,
    Text,
    Moment,
    /// Another resource.
    One(Kind),
}

impl Field {
    const fn new(name: &'static str, holds: Holds, help: &'static str) -> Self {
        Self { name, holds, help, optional: false, nullable: false, readonly: false, unique: false }
    }

    const fn text(name: &'static str) -> Self {
        Self::new(name, Holds::Text, "Unicode string data. Ex: \"Hello World\"")
    }

    const fn integer(name: &'static str) -> Self {
        Self::new(name, Holds::Integer, "Integer data. Ex: 2673")
    }

    const fn moment(name: &'static str) -> Self {
        Self::new(name, Holds::Moment, "A date & time as a string. Ex: \"2010-11-10T03:07:43Z\"")
    }

    const fn user(name: &'static str) -> Self {
        let help = "A user. Maybe specified by URI, email, or ID. Using a URI is recommended.";
        Self::new(name, Holds::One(Kind::User), help)
    }

    const fn bundle() -> Self {
        let help = "A reference to the resource. Maybe specified by URI or ID. Using a URI is recommended.";
        Self::new("bundle", Holds::One(Kind::Bundle), help)
    }

    const fn uri() -> Self {
        let help = "The unique URI where the object resides.";
        Self::new("resource_uri", Holds::Text, help).readonly()
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self.optional()
    }

    const fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }

    const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// The field's entry under its name.
    fn entry(&self, prefix: Prefix) -> Value {
        let default = match (self.holds, self.nullable, self.optional) {
            (_, true, _) => Value::Null,
            (Holds::Text, false, true) => json!(""),
            _ => json!("No default provided."),
        };
        let mut entry = json!({
            "blank": self.optional,
            "default": default,
            "help_text": self.help,
            "nullable": self.nullable,
            "primary_key": self.name == "id",
            "readonly": self.readonly,
            "type": match self.holds {
                Holds::Integer => "integer",
                Holds::Text => "string",
                Holds::Moment => "datetime",
                Holds::One(_) => "related",
            },
            "unique": self.unique || self.name == "id",
            "verbose_name": self.name.replace('_', " "),
        });
        if let (Holds::One(kind), Some(entry)) = (self.holds, entry.as_object_mut()) {
            entry.insert("related_schema".to_owned(), json!(prefix.schema(kind)));
            entry.insert("related_type".to_owned(), json!("to_one"));
        }
        entry
    }
}

/// What a resource is made of and may be asked.
struct Shape {
    list: &'static [&'static str],
    detail: &'static [&'static str],
    fields: &'static [Field],
    filtering: &'static [(&'static str, &'static [&'static str])],
}

const EXACT: &[&str] = &["exact", "in"];
const SPAN: &[&str] = &["gte", "lt"];
const TEXT: &[&str] = &["exact", "in", "startswith"];

const USER: &[Field] = &[
    Field::text("email").unique(),
    Field::text("first_name").optional(),
    Field::integer("id").readonly(),
    Field::text("last_name").optional(),
    Field::uri(),
    Field::text("username").unique().readonly(),
];

const AUDIT: &[Field] = &[
    Field::text("action").readonly(),
    Field::user("actor").nullable().readonly(),
    Field::text("address").nullable().readonly(),
    Field::moment("at").readonly(),
    Field::text("client").nullable().readonly(),
    Field::text("id").readonly(),
    Field::uri(),
    Field::text("subject").readonly(),
    Field::text("subject_uri").nullable().readonly(),
];

const BLOCK: &[Field] = &[Field::uri(), Field::user("user")];

const BUNDLE: &[Field] = &[
    Field::text("description").optional(),
    Field::integer("id").readonly(),
    Field::text("name"),
    Field::integer("permission").optional(),
    Field::uri(),
];

const BUNDLE_PERMISSION: &[Field] = &[
    Field::bundle(),
    Field::text("name").readonly(),
    Field::uri(),
    Field::user("user_allowed"),
    Field::user("user_target"),
];

const BUNDLE_PERMISSION_REQUEST: &[Field] = &[
    Field::bundle(),
    Field::text("redeem_url").nullable(),
    Field::uri(),
    Field::integer("ttl").nullable(),
    Field::user("user_allowed"),
    Field::user("user_target"),
];

impl Kind {
    const fn shape(self) -> Shape {
        match self {
            Self::Account => Shape { list: &["get"], detail: &[], fields: USER, filtering: &[] },
            Self::Audit => Shape {
                list: &["get"],
                detail: &["get"],
                fields: AUDIT,
                filtering: &[("action", TEXT), ("actor", EXACT), ("at", SPAN), ("subject", &["exact"])],
            },
            Self::Block => {
                Shape { list: &["get", "post"], detail: &["get", "delete"], fields: BLOCK, filtering: &[] }
            }
            Self::User => Shape {
                list: &["get", "post"],
                detail: &["get", "put", "patch"],
                fields: USER,
                filtering: &[("email", TEXT), ("id", EXACT), ("username", TEXT)],
            },
            Self::Bundle => Shape {
                list: &["get", "post"],
                detail: &["get", "put", "delete"],
                fields: BUNDLE,
                filtering: &[],
            },
            Self::BundlePermission => Shape {
                list: &["get", "post"],
                detail: &["get", "delete"],
                fields: BUNDLE_PERMISSION,
                filtering: &[("bundle", EXACT), ("user_allowed", EXACT), ("user_target", EXACT)],
            },
            Self::BundlePermissionRequest => Shape {
                list: &["get", "post"],
                detail: &["get", "put", "delete"],
                fields: BUNDLE_PERMISSION_REQUEST,
                filtering: &[],
            },
        }
    }
}

/// The filters of the users' list, as they are documented.
pub(super) struct UserFilters;

/// The filters of the permissions' list, as they are documented.
pub(super) struct PermissionFilters;

/// The filters of the audit trail, as they are documented.
pub(super) struct AuditFilters;

impl IntoParams for AuditFilters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filters(Kind::Audit)
    }
}

impl IntoParams for UserFilters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filters(Kind::User)
    }
}

impl IntoParams for PermissionFilters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filters(Kind::BundlePermission)
    }
}

/// The parameters of a list's filters, by the table that the schemas have them from.
fn filters(kind: Kind) -> Vec<Parameter> {
    let parameter = |name: String, says: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .description(Some(says))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build()
    };
    let of_field = |(field, ways): &(&str, &[&str])| {
        let plain = ways.contains(&"exact").then(|| parameter((*field).to_owned(), "The same as `exact`."));
        let ways = ways.iter().map(|way| (format!("{field}__{way}"), *way));
        let ways: Vec<Parameter> = ways.map(|(name, way)| parameter(name, says(way))).collect();
        [Vec::from_iter(plain), ways].concat()
    };
    kind.shape().filtering.iter().flat_map(of_field).collect()
}

/// What a way to filter means.
fn says(way: &str) -> &'static str {
    match way {
        "exact" => "This value.",
        "in" => "One of these, separated by commas.",
        "startswith" => "Starts with this value.",
        "gte" => "At or after this time (RFC 3339).",
        "lt" => "Before this time (RFC 3339).",
        _ => "",
    }
}

/// A resource in the index.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Entry)]
pub(super) struct Entry {
    list_endpoint: String,
    schema: String,
}

/// A resource's schema, as tastypie has it.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Schema)]
pub(super) struct Schema {
    allowed_detail_http_methods: &'static [&'static str],
    allowed_list_http_methods: &'static [&'static str],
    default_format: &'static str,
    default_limit: i64,
    #[schema(value_type = HashMap<String, Object>)]
    fields: Map<String, Value>,
    #[schema(value_type = HashMap<String, Vec<String>>)]
    filtering: Map<String, Value>,
    #[schema(value_type = Vec<String>)]
    ordering: [&'static str; 0],
}

/// What resources there are, for anybody.
#[utoipa::path(
    get,
    path = "/api/",
    operation_id = "index",
    security(()),
    responses((status = 200, description = "The fields, by name.", body = HashMap<String, Entry>)),
)]
pub(super) async fn index(prefix: Prefix) -> Answer {
    let entry = |kind: Kind| {
        let entry = Entry { list_endpoint: prefix.list(kind), schema: prefix.schema(kind) };
        (kind.name(), entry)
    };
    let index: std::collections::BTreeMap<&str, Entry> = Kind::ALL.into_iter().map(entry).collect();
    Ok(HttpResponse::Ok().json(index))
}

/// `GET /api/<resource>/schema/`
pub(super) fn answer(kind: Kind, prefix: Prefix) -> Answer {
    let Shape { list, detail, fields, filtering } = kind.shape();
    Ok(HttpResponse::Ok().json(Schema {
        allowed_detail_http_methods: detail,
        allowed_list_http_methods: list,
        default_format: "application/json",
        default_limit: USUAL,
        fields: fields.iter().map(|field| (field.name.to_owned(), field.entry(prefix))).collect(),
        filtering: filtering.iter().map(|(field, ways)| ((*field).to_owned(), json!(ways))).collect(),
        ordering: [],
    }))
}
