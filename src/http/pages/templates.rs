//! The page templates, their filters, and the headers of rendered pages.

use std::sync::LazyLock;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, ContentType, VARY,
};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, Resource};
use minijinja::{AutoEscape, Environment, State, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{assets, error};
use crate::domain::rights::Mask;
use crate::domain::timestamp::Timestamp;
use crate::http::base_path::base_path;
use crate::http::middleware::handler::run_handler;
use crate::i18n::Language;
use crate::i18n::template::{bdi, language, t};

/// Pages load files and send forms only from and to this site, and run no inline scripts.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Characters that are escaped in the address of a `mailto:` link (RFC 6068, section 2).
const MAILTO_ESCAPE_SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_');

/// Declares `TEMPLATES`: each template with the source in `templates/<name>.html`.
macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        const TEMPLATES: &[(&str, &str)] = &[$(($name, include_str!(concat!("templates/", $name, ".html")))),+];
    };
}

templates![
    "account",
    "api-key-created",
    "api-key-form",
    "api-key-table",
    "api-keys",
    "audit-log",
    "bundle-fields",
    "confirm-form",
    "dev-mail",
    "dev-mail-message",
    "export-token-created",
    "export-token-form",
    "export-token-table",
    "export-tokens",
    "field-error",
    "flash",
    "forgot-password",
    "form-field",
    "home",
    "hub-tokens",
    "layout",
    "link-decided",
    "link-inactive",
    "list-end",
    "mail-kind-list",
    "message",
    "new-password-fields",
    "new-request",
    "pagination",
    "permissions",
    "redeem",
    "request-approved",
    "request-declined",
    "request-summary",
    "requests",
    "search-form",
    "set-password",
    "set-password-link-inactive",
    "shown-once",
    "sign-in",
    "staff-bundle",
    "staff-bundles",
    "staff-hub",
    "staff-hubs",
    "staff-layout",
    "staff-mail",
    "staff-nav",
    "staff-overview",
    "staff-permissions",
    "staff-user",
    "staff-users",
    "timeline",
    "unsubscribe",
    "unsubscribe-inactive",
    "unsubscribed",
    "webhook",
    "webhook-created",
    "webhook-deliveries",
    "webhook-fields",
    "webhook-form",
    "webhook-secret",
    "webhook-verify",
    "webhooks",
];

static TEMPLATE_ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_function("t", t);
    environment.add_function("asset", assets::asset_url);
    environment.add_filter("bdi", bdi);
    environment.add_filter("datetime", datetime);
    environment.add_filter("iso", |micros: i64| Timestamp::from_micros(micros).rfc3339());
    environment.add_filter("rights", rights);
    environment.add_filter("rights_of_others", rights_of_others);
    environment
        .add_filter("percent_encode", |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    environment.add_filter("mailto_address", |email: &str| {
        utf8_percent_encode(email, MAILTO_ESCAPE_SET).to_string()
    });
    for (name, source) in TEMPLATES {
        if let Err(error) = environment.add_template(name, source) {
            tracing::error!(name, %error, "page template is invalid");
        }
    }
    environment
});

/// `{{ micros | datetime }}`: a date and time in the page's language.
fn datetime(state: &State<'_, '_>, micros: i64) -> String {
    language(state).date_time(Timestamp::from_micros(micros))
}

/// `{{ bits | rights }}`: the rights in a mask, on the reader's own data.
fn rights(state: &State<'_, '_>, bits: i64) -> Vec<String> {
    Mask::new(bits).map(|mask| language(state).describe_rights(mask)).unwrap_or_default()
}

/// `{{ bits | rights_of_others }}`: the rights in a mask, on another user's data.
fn rights_of_others(state: &State<'_, '_>, bits: i64) -> Vec<String> {
    Mask::new(bits).map(|mask| language(state).describe_rights_of_others(mask)).unwrap_or_default()
}

/// Renders a template. Every template has `lang`, the tag of the language, and `base`, which starts
/// every link to this site.
pub fn render(status: StatusCode, language: Language, template: &str, context: Value) -> HttpResponse {
    // The path of a public URL has no character that HTML escapes.
    let base = Value::from_safe_string(base_path());
    let context = minijinja::context! { lang => language.tag(), base, ..context };
    let rendered = TEMPLATE_ENVIRONMENT.get_template(template).and_then(|template| template.render(context));
    let html = rendered.unwrap_or_else(|error| {
        tracing::error!(template, %error, "rendering a page failed");
        language.t("error-internal")
    });
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CONTENT_LANGUAGE, language.tag()))
        .insert_header((VARY, "Accept-Language, Cookie"))
        .insert_header((CONTENT_SECURITY_POLICY, CSP))
        .body(html)
}

/// The language of a page for this request: the best match, or the default.
pub fn request_language(request: &HttpRequest) -> Language {
    accept_language(request).unwrap_or_default()
}

/// The best match of `Accept-Language`. `None` if the header is missing.
pub fn accept_language(request: &HttpRequest) -> Option<Language> {
    let header = request.headers().get(ACCEPT_LANGUAGE)?;
    header.to_str().ok().map(Language::accepted)
}

tokio::task_local! {
    static CURRENT_LANGUAGE: Language;
}

/// The language of the request that the current task handles.
pub fn current_language() -> Language {
    CURRENT_LANGUAGE.try_with(|language| *language).unwrap_or_default()
}

/// Registers a resource whose errors are pages in the language of the request.
pub fn add_resource(app: &mut ServiceConfig, resource: Resource) {
    let with_language = async |request: ServiceRequest, next: Next<BoxBody>| {
        CURRENT_LANGUAGE.scope(request_language(request.request()), next.call(request)).await
    };
    let resource = resource.app_data(error::ERROR_RENDERER).wrap(from_fn(run_handler));
    app.service(resource.wrap(from_fn(with_language)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_starts_with_the_base_path() {
        for (name, source) in TEMPLATES {
            for attribute in ["href", "src", "action", "formaction"] {
                for link in source.split(&format!(" {attribute}=\"")).skip(1) {
                    let is_other = [
                        "#",
                        "mailto:",
                        "{{ span.text }}",
                        "{{ return_url }}",
                        "https://www.standardwebhooks.com",
                    ]
                    .iter()
                    .any(|other| link.starts_with(other));
                    assert!(link.starts_with("{{ base }}") || is_other, "{name}: {attribute}=\"{link}");
                }
            }
        }
    }
}
