//! Templates, and what each page is answered with.

use std::sync::LazyLock;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, ContentType, VARY,
};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, Resource};
use minijinja::{AutoEscape, Environment, State, UndefinedBehavior, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::assets;
use crate::domain::clock::Timestamp;
use crate::domain::permission::Mask;
use crate::words::Language;
use crate::words::template::{bdi, language, say};

/// What a page may load and do: what is ours, and no script that stands in a page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a mail address in a `mailto:` link is not written with (RFC 6068, 2).
const NOT_IN_ADDR: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'.').remove(b'-').remove(b'_');

/// Declares the templates by their names.
macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        const TEMPLATES: &[(&str, &str)] = &[$(($name, include_str!(concat!("templates/", $name, ".html")))),+];
    };
}

templates![
    "access",
    "account",
    "approved",
    "ask",
    "asked",
    "bundle-fields",
    "done",
    "field",
    "forgot-password",
    "home",
    "key",
    "key-form",
    "keys",
    "layout",
    "letter",
    "mailbox",
    "new-password",
    "over",
    "part",
    "redeem",
    "requests",
    "said",
    "search",
    "secret",
    "set-password",
    "set-password-over",
    "sign-in",
    "staff",
    "staff-bundle",
    "staff-bundles",
    "staff-hub",
    "staff-hubs",
    "staff-layout",
    "staff-mail",
    "staff-rooms",
    "staff-users",
    "timeline",
    "token",
    "token-form",
    "tokens",
    "trail",
    "wrong",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_function("say", say);
    environment.add_function("asset", assets::link);
    environment.add_filter("bdi", bdi);
    environment.add_filter("moment", moment);
    environment.add_filter("iso", |micros: i64| Timestamp::from_micros(micros).rfc3339());
    environment.add_filter("rights", rights);
    environment.add_filter("rights_of_others", rights_of_others);
    environment.add_filter("percent", |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    environment.add_filter("addr", |email: &str| utf8_percent_encode(email, NOT_IN_ADDR).to_string());
    for (name, source) in TEMPLATES {
        if let Err(error) = environment.add_template(name, source) {
            tracing::error!(name, %error, "page template is invalid");
        }
    }
    environment
});

/// `{{ micros | moment }}`: a moment in words.
fn moment(state: &State<'_, '_>, micros: i64) -> String {
    language(state).moment(Timestamp::from_micros(micros))
}

/// `{{ bits | rights }}`: what a mask lets somebody do with the reader's data, as a list.
fn rights(state: &State<'_, '_>, bits: i64) -> Vec<String> {
    Mask::new(bits).map(|mask| language(state).rights(mask)).unwrap_or_default()
}

/// `{{ bits | rights_of_others }}`: the same, where the data is not the reader's.
fn rights_of_others(state: &State<'_, '_>, bits: i64) -> Vec<String> {
    Mask::new(bits).map(|mask| language(state).rights_of_others(mask)).unwrap_or_default()
}

/// A page of a template, in a language. (`lang` is known to all templates.)
pub fn page(status: StatusCode, language: Language, template: &str, context: Value) -> HttpResponse {
    let context = minijinja::context! { lang => language.tag(), ..context };
    let rendered = ENVIRONMENT.get_template(template).and_then(|template| template.render(context));
    let html = rendered.unwrap_or_else(|error| {
        tracing::error!(template, %error, "rendering a page failed");
        language.say("problem-broken")
    });
    HttpResponse::build(status)
        .content_type(ContentType::html())
        .insert_header((CONTENT_LANGUAGE, language.tag()))
        .insert_header((VARY, "Accept-Language, Cookie"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(html)
}

/// The language of whoever sent this.
pub fn language_of(request: &HttpRequest) -> Language {
    told_language(request).unwrap_or_default()
}

/// The same, if they tell of any.
pub fn told_language(request: &HttpRequest) -> Option<Language> {
    let header = request.headers().get(ACCEPT_LANGUAGE)?;
    header.to_str().ok().map(Language::accepted)
}

tokio::task_local! {
    static SPOKEN: Language;
}

/// The language of whoever is being answered with a page.
pub fn spoken() -> Language {
    SPOKEN.try_with(|language| *language).unwrap_or_default()
}

/// [`crate::http::routing::resource`], for pages: what goes wrong there is told in the
/// language of whoever sent the request.
pub fn resource(
    path: &str,
    allow: &'static str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    crate::http::routing::resource(path, allow).wrap(from_fn(
        async |request: ServiceRequest, next: Next<BoxBody>| {
            SPOKEN.scope(language_of(request.request()), next.call(request)).await
        },
    ))
}
