//! What the dialect tells of itself: the index and each resource's schema, as
//! tastypie writes them. Both are for anybody: Hexoskin's client remembers a
//! refusal for ever.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use super::query::DEFAULT_PAGE_SIZE;
use super::{ApiPrefix, HandlerResult, ResourceKind};

/// A field, as a schema tells of it.
#[derive(Clone, Copy)]
struct FieldSchema {
    name: &'static str,
    field_type: FieldType,
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
enum FieldType {
    Integer,
    Text,
    DateTime,
    /// Another resource.
    Related(ResourceKind),
}

impl FieldSchema {
    const fn new(name: &'static str, field_type: FieldType, help: &'static str) -> Self {
        Self { name, field_type, help, optional: false, nullable: false, readonly: false, unique: false }
    }

    const fn text(name: &'static str) -> Self {
        Self::new(name, FieldType::Text, "Unicode string data. Ex: \"Hello World\"")
    }

    const fn integer(name: &'static str) -> Self {
        Self::new(name, FieldType::Integer, "Integer data. Ex: 2673")
    }

    const fn datetime(name: &'static str) -> Self {
        Self::new(name, FieldType::DateTime, "A date & time as a string. Ex: \"2010-11-10T03:07:43Z\"")
    }

    const fn user(name: &'static str) -> Self {
        let help = "A user. Maybe specified by URI, email, or ID. Using a URI is recommended.";
        Self::new(name, FieldType::Related(ResourceKind::User), help)
    }

    const fn bundle() -> Self {
        let help = "A reference to the resource. Maybe specified by URI or ID. Using a URI is recommended.";
        Self::new("bundle", FieldType::Related(ResourceKind::Bundle), help)
    }

    const fn uri() -> Self {
        let help = "The unique URI where the object resides.";
        Self::new("resource_uri", FieldType::Text, help).readonly()
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
    fn to_json(&self, prefix: ApiPrefix) -> Value {
        let default = match (self.field_type, self.nullable, self.optional) {
            (_, true, _) => Value::Null,
            (FieldType::Text, false, true) => json!(""),
            _ => json!("No default provided."),
        };
        let mut entry = json!({
            "blank": self.optional,
            "default": default,
            "help_text": self.help,
            "nullable": self.nullable,
            "primary_key": self.name == "id",
            "readonly": self.readonly,
            "type": match self.field_type {
                FieldType::Integer => "integer",
                FieldType::Text => "string",
                FieldType::DateTime => "datetime",
                FieldType::Related(_) => "related",
            },
            "unique": self.unique || self.name == "id",
            "verbose_name": self.name.replace('_', " "),
        });
        if let (FieldType::Related(kind), Some(entry)) = (self.field_type, entry.as_object_mut()) {
            entry.insert("related_schema".to_owned(), json!(prefix.schema_uri(kind)));
            entry.insert("related_type".to_owned(), json!("to_one"));
        }
        entry
    }
}

/// What a resource is made of and may be asked.
struct ResourceSchema {
    list: &'static [&'static str],
    detail: &'static [&'static str],
    fields: &'static [FieldSchema],
    filtering: &'static [(&'static str, &'static [&'static str])],
}

const EXACT_LOOKUPS: &[&str] = &["exact", "in"];
const RANGE_LOOKUPS: &[&str] = &["gte", "lt"];
const TEXT_LOOKUPS: &[&str] = &["exact", "in", "startswith"];

const USER_FIELDS: &[FieldSchema] = &[
    FieldSchema::text("email").unique(),
    FieldSchema::text("first_name").optional(),
    FieldSchema::integer("id").readonly(),
    FieldSchema::text("last_name").optional(),
    FieldSchema::uri(),
    FieldSchema::text("username").unique().readonly(),
];

const AUDIT_FIELDS: &[FieldSchema] = &[
    FieldSchema::text("action").readonly(),
    FieldSchema::user("actor").nullable().readonly(),
    FieldSchema::text("address").nullable().readonly(),
    FieldSchema::datetime("at").readonly(),
    FieldSchema::text("client").nullable().readonly(),
    FieldSchema::text("id").readonly(),
    FieldSchema::uri(),
    FieldSchema::text("subject").readonly(),
    FieldSchema::text("subject_uri").nullable().readonly(),
];

const BLOCK_FIELDS: &[FieldSchema] = &[FieldSchema::uri(), FieldSchema::user("user")];

const BUNDLE_FIELDS: &[FieldSchema] = &[
    FieldSchema::text("description").optional(),
    FieldSchema::integer("id").readonly(),
    FieldSchema::text("name"),
    FieldSchema::integer("permission").optional(),
    FieldSchema::uri(),
];

const BUNDLE_PERMISSION_FIELDS: &[FieldSchema] = &[
    FieldSchema::bundle(),
    FieldSchema::text("name").readonly(),
    FieldSchema::uri(),
    FieldSchema::user("user_allowed"),
    FieldSchema::user("user_target"),
];

const BUNDLE_PERMISSION_REQUEST_FIELDS: &[FieldSchema] = &[
    FieldSchema::bundle(),
    FieldSchema::text("redeem_url").nullable(),
    FieldSchema::uri(),
    FieldSchema::integer("ttl").nullable(),
    FieldSchema::user("user_allowed"),
    FieldSchema::user("user_target"),
];

impl ResourceKind {
    const fn resource_schema(self) -> ResourceSchema {
        match self {
            Self::Account => {
                ResourceSchema { list: &["get"], detail: &[], fields: USER_FIELDS, filtering: &[] }
            }
            Self::Audit => ResourceSchema {
                list: &["get"],
                detail: &["get"],
                fields: AUDIT_FIELDS,
                filtering: &[
                    ("action", TEXT_LOOKUPS),
                    ("actor", EXACT_LOOKUPS),
                    ("at", RANGE_LOOKUPS),
                    ("subject", &["exact"]),
                ],
            },
            Self::Block => ResourceSchema {
                list: &["get", "post"],
                detail: &["get", "delete"],
                fields: BLOCK_FIELDS,
                filtering: &[],
            },
            Self::User => ResourceSchema {
                list: &["get", "post"],
                detail: &["get", "put", "patch"],
                fields: USER_FIELDS,
                filtering: &[("email", TEXT_LOOKUPS), ("id", EXACT_LOOKUPS), ("username", TEXT_LOOKUPS)],
            },
            Self::Bundle => ResourceSchema {
                list: &["get", "post"],
                detail: &["get", "put", "delete"],
                fields: BUNDLE_FIELDS,
                filtering: &[],
            },
            Self::BundlePermission => ResourceSchema {
                list: &["get", "post"],
                detail: &["get", "delete"],
                fields: BUNDLE_PERMISSION_FIELDS,
                filtering: &[
                    ("bundle", EXACT_LOOKUPS),
                    ("user_allowed", EXACT_LOOKUPS),
                    ("user_target", EXACT_LOOKUPS),
                ],
            },
            Self::BundlePermissionRequest => ResourceSchema {
                list: &["get", "post"],
                detail: &["get", "put", "delete"],
                fields: BUNDLE_PERMISSION_REQUEST_FIELDS,
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
        filter_parameters(ResourceKind::Audit)
    }
}

impl IntoParams for UserFilters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filter_parameters(ResourceKind::User)
    }
}

impl IntoParams for PermissionFilters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filter_parameters(ResourceKind::BundlePermission)
    }
}

/// The parameters of a list's filters, by the table that the schemas have them from.
fn filter_parameters(kind: ResourceKind) -> Vec<Parameter> {
    let parameter = |name: String, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .description(Some(description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build()
    };
    let of_field = |(field, lookups): &(&str, &[&str])| {
        let plain =
            lookups.contains(&"exact").then(|| parameter((*field).to_owned(), "The same as `exact`."));
        let lookups = lookups.iter().map(|lookup| (format!("{field}__{lookup}"), *lookup));
        let lookups: Vec<Parameter> =
            lookups.map(|(name, lookup)| parameter(name, describe_lookup(lookup))).collect();
        [Vec::from_iter(plain), lookups].concat()
    };
    kind.resource_schema().filtering.iter().flat_map(of_field).collect()
}

/// What a way to filter means.
fn describe_lookup(lookup: &str) -> &'static str {
    match lookup {
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
#[schema(as = hexo::IndexEntry)]
pub(super) struct IndexEntry {
    list_endpoint: String,
    schema: String,
}

/// A resource's schema, as tastypie has it.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Schema)]
pub(super) struct SchemaResponse {
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
    operation_id = "list_resources",
    security(()),
    responses((status = 200, description = "The fields, by name.", body = HashMap<String, IndexEntry>)),
)]
pub(super) async fn index(prefix: ApiPrefix) -> HandlerResult {
    let entry = |kind: ResourceKind| {
        let entry = IndexEntry { list_endpoint: prefix.list_uri(kind), schema: prefix.schema_uri(kind) };
        (kind.name(), entry)
    };
    let index: std::collections::BTreeMap<&str, IndexEntry> =
        ResourceKind::ALL.into_iter().map(entry).collect();
    Ok(HttpResponse::Ok().json(index))
}

/// `GET /api/<resource>/schema/`
pub(super) fn to_response(kind: ResourceKind, prefix: ApiPrefix) -> HandlerResult {
    let ResourceSchema { list, detail, fields, filtering } = kind.resource_schema();
    Ok(HttpResponse::Ok().json(SchemaResponse {
        allowed_detail_http_methods: detail,
        allowed_list_http_methods: list,
        default_format: "application/json",
        default_limit: DEFAULT_PAGE_SIZE,
        fields: fields.iter().map(|field| (field.name.to_owned(), field.to_json(prefix))).collect(),
        filtering: filtering.iter().map(|(field, lookups)| ((*field).to_owned(), json!(lookups))).collect(),
        ordering: [],
    }))
}
