//! The schema of a resource, in the format of django-tastypie.

use actix_web::http::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::common::{ApiPrefix, ResourceKind};
use super::query::DEFAULT_PAGE_SIZE;

/// A field of a resource.
#[derive(Clone, Copy)]
pub(super) struct FieldSchema {
    name: &'static str,
    field_type: FieldType,
    /// A body can omit it or leave it blank.
    optional: bool,
    /// A body can set it to null.
    nullable: bool,
    readonly: bool,
    unique: bool,
    help: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldType {
    Integer,
    Boolean,
    Text,
    DateTime,
    List,
    Object,
    /// A reference to an object of another resource.
    Related(ResourceKind),
}

/// A field that a list can be filtered by.
#[derive(Clone, Copy)]
pub(super) struct FilterSchema {
    pub field: &'static str,
    pub lookups: &'static [Lookup],
}

/// How a filter compares a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    Exact,
    In,
    StartsWith,
    AtOrAfter,
    Before,
}

impl FieldSchema {
    const fn new(name: &'static str, field_type: FieldType, help: &'static str) -> Self {
        Self { name, field_type, help, optional: false, nullable: false, readonly: false, unique: false }
    }

    pub(super) const fn text(name: &'static str) -> Self {
        Self::new(name, FieldType::Text, "Unicode string data. Ex: \"Hello World\"")
    }

    pub(super) const fn integer(name: &'static str) -> Self {
        Self::new(name, FieldType::Integer, "Integer data. Ex: 2673")
    }

    pub(super) const fn boolean(name: &'static str) -> Self {
        Self::new(name, FieldType::Boolean, "Boolean data. Ex: True")
    }

    pub(super) const fn datetime(name: &'static str) -> Self {
        Self::new(name, FieldType::DateTime, "A date & time as a string. Ex: \"2010-11-10T03:07:43Z\"")
    }

    pub(super) const fn user(name: &'static str) -> Self {
        let help = "A user. Maybe specified by URI, email, or ID. Using a URI is recommended.";
        Self::new(name, FieldType::Related(ResourceKind::User), help)
    }

    pub(super) const fn bundle() -> Self {
        let help = "A reference to the resource. Maybe specified by URI or ID. Using a URI is recommended.";
        Self::new("bundle", FieldType::Related(ResourceKind::Bundle), help)
    }

    pub(super) const fn uri() -> Self {
        let help = "The unique URI where the object resides.";
        Self::new("resource_uri", FieldType::Text, help).readonly()
    }

    /// A list of strings.
    pub(super) const fn list(name: &'static str) -> Self {
        Self::new(name, FieldType::List, "A list of data. Ex: ['abc', 26.73, 8]")
    }

    /// A JSON object.
    pub(super) const fn object(name: &'static str) -> Self {
        Self::new(name, FieldType::Object, "A dictionary of data. Ex: {'price': 26.73, 'name': 'Daniel'}")
    }

    pub(super) const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    pub(super) const fn nullable(mut self) -> Self {
        self.nullable = true;
        self.optional()
    }

    pub(super) const fn readonly(mut self) -> Self {
        self.readonly = true;
        self
    }

    pub(super) const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    fn to_json(self, prefix: ApiPrefix) -> Value {
        let default = if self.nullable {
            Value::Null
        } else if self.optional && self.field_type == FieldType::Text {
            json!("")
        } else {
            json!("No default provided.")
        };
        let mut schema = json!({
            "blank": self.optional,
            "default": default,
            "help_text": self.help,
            "nullable": self.nullable,
            "primary_key": self.name == "id",
            "readonly": self.readonly,
            "type": match self.field_type {
                FieldType::Integer => "integer",
                FieldType::Boolean => "boolean",
                FieldType::Text => "string",
                FieldType::DateTime => "datetime",
                FieldType::List => "list",
                FieldType::Object => "dict",
                FieldType::Related(_) => "related",
            },
            "unique": self.unique || self.name == "id",
            "verbose_name": self.name.replace('_', " "),
        });
        if let (FieldType::Related(kind), Some(schema)) = (self.field_type, schema.as_object_mut()) {
            schema.insert("related_schema".to_owned(), json!(prefix.schema_uri(kind)));
            schema.insert("related_type".to_owned(), json!("to_one"));
        }
        schema
    }
}

impl FilterSchema {
    /// The query parameters of the filter, for the OpenAPI document.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let parameter = |name: String, description: &str| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .description(Some(description))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .build()
        };
        let exact = self.lookups.contains(&Lookup::Exact);
        let short_form = exact.then(|| parameter(self.field.to_owned(), "The same as `exact`."));
        let lookups = self
            .lookups
            .iter()
            .map(|lookup| parameter(format!("{}__{}", self.field, lookup.name()), lookup.description()));
        short_form.into_iter().chain(lookups).collect()
    }
}

impl Lookup {
    const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::In => "in",
            Self::StartsWith => "startswith",
            Self::AtOrAfter => "gte",
            Self::Before => "lt",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Exact => "This value.",
            Self::In => "One of these values, separated by commas.",
            Self::StartsWith => "Starts with this value.",
            Self::AtOrAfter => "At or after this time (RFC 3339).",
            Self::Before => "Before this time (RFC 3339).",
        }
    }
}

/// The schema of a resource.
#[derive(Serialize, ToSchema)]
#[schema(as = hexo::Schema)]
pub(super) struct SchemaResponse {
    allowed_detail_http_methods: Vec<String>,
    allowed_list_http_methods: Vec<String>,
    default_format: &'static str,
    default_limit: i64,
    #[schema(value_type = HashMap<String, Object>)]
    fields: Map<String, Value>,
    #[schema(value_type = HashMap<String, Vec<String>>)]
    filtering: Map<String, Value>,
    #[schema(value_type = Vec<String>)]
    ordering: [&'static str; 0],
}

impl SchemaResponse {
    pub(super) fn new(
        list_methods: &[Method],
        detail_methods: &[Method],
        fields: &[FieldSchema],
        filters: &[FilterSchema],
        prefix: ApiPrefix,
    ) -> Self {
        let lookups = |filter: &FilterSchema| -> Vec<&str> {
            filter.lookups.iter().map(|lookup| lookup.name()).collect()
        };
        Self {
            allowed_detail_http_methods: tastypie_methods(detail_methods),
            allowed_list_http_methods: tastypie_methods(list_methods),
            default_format: "application/json",
            default_limit: DEFAULT_PAGE_SIZE,
            fields: fields.iter().map(|field| (field.name.to_owned(), field.to_json(prefix))).collect(),
            filtering: filters
                .iter()
                .map(|filter| (filter.field.to_owned(), json!(lookups(filter))))
                .collect(),
            ordering: [],
        }
    }
}

/// The methods in the spelling of django-tastypie, which omits HEAD.
fn tastypie_methods(methods: &[Method]) -> Vec<String> {
    let methods = methods.iter().filter(|method| **method != Method::HEAD);
    methods.map(|method| method.as_str().to_ascii_lowercase()).collect()
}
