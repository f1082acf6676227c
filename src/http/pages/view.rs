//! The pages as HTML, and the headers that keep a link's token to its page.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType, REFERRER_POLICY, X_FRAME_OPTIONS};
use actix_web::{HttpResponse, Responder};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use crate::domain::bundle::Bundle;
use crate::domain::clock::Timestamp;
use crate::domain::user::User;

/// No script, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in [
        ("layout", include_str!("templates/layout.html")),
        ("form", include_str!("templates/form.html")),
        ("words", include_str!("templates/words.html")),
    ] {
        if let Err(error) = templates.add_template(name, source) {
            tracing::error!(name, %error, "a page's template is broken");
        }
    }
    templates
});

/// A page to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// Who are you, and what do you want?
    Form {
        /// The token from the link.
        token: String,
        /// What was typed before.
        email: String,
        /// What makes a form that is sent twice count once.
        once: String,
        /// Whether email and password did not fit.
        rejected: bool,
        /// What is asked for, once it is known who looks.
        summary: Option<Summary>,
    },
    /// It is given.
    Approved,
    /// It is not given.
    Declined,
    /// Nothing to decide, for one of several reasons.
    Over,
    /// It could not be done.
    Problem {
        /// Why.
        words: String,
    },
}

/// What a request asks for, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    asks: String,
    asks_email: String,
    bundle: String,
    description: String,
    rights: String,
    expires: String,
}

impl Summary {
    /// Of this bundle, asked for by this user until then.
    pub fn new(asks: &User, bundle: &Bundle, expires_at: Timestamp) -> Self {
        Self {
            asks: asks.display_name(),
            asks_email: asks.email.as_str().to_owned(),
            bundle: bundle.name.as_str().to_owned(),
            description: bundle.description.as_str().to_owned(),
            rights: bundle.permission.to_string(),
            expires: expires_at.format("%-d %B %Y, %H:%M UTC"),
        }
    }

    fn context(&self) -> Value {
        let Self { asks, asks_email, bundle, description, rights, expires } = self;
        context! { asks, asks_email, bundle, description, rights, expires }
    }
}

impl Page {
    /// The page as an answer.
    pub fn answer(&self, status: StatusCode) -> HttpResponse {
        let html = match self {
            Self::Form { token, email, once, rejected, summary } => {
                let summary = summary.as_ref().map(Summary::context);
                render(
                    "form",
                    context! { title => "A request for you", token, email, once, rejected, summary },
                )
            }
            Self::Approved => words(
                "Approved",
                "You have given the permission. You can take it back at any time, where you manage your permissions.",
            ),
            Self::Declined => {
                words("Declined", "You have declined. Nothing was given, and the link is closed.")
            }
            Self::Over => words(
                "Nothing to decide here",
                "This link has been used, has expired or was withdrawn, or it was sent to somebody else. \
                 Nothing was changed. If you expected a request, ask whoever sent it to send it again.",
            ),
            Self::Problem { words: why } => words("That did not work", why),
        };
        HttpResponse::build(status)
            .content_type(ContentType::html())
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .insert_header((X_FRAME_OPTIONS, "DENY"))
            .body(html)
    }
}

/// How the pages look.
#[utoipa::path(
    get,
    path = "/redeem/style.css",
    operation_id = "redeem_style",
    security(()),
    responses((status = 200, description = "A style sheet.", body = String, content_type = "text/css")),
)]
pub async fn style() -> impl Responder {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(include_str!("templates/style.css"))
}

fn words(title: &str, words: &str) -> String {
    render("words", context! { title, words })
}

/// The templates are our own: one that fails is a bug, told in plain words.
fn render(name: &str, context: Value) -> String {
    TEMPLATES.get_template(name).and_then(|template| template.render(context)).unwrap_or_else(|error| {
        tracing::error!(name, %error, "a page cannot be shown");
        "This page cannot be shown.".to_owned()
    })
}
