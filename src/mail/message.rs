//! Composition of a mail: headers and parts.
//!
//! Names of users are untrusted. In a mail, a name is one short line of visible characters that
//! mail programs do not turn into a link, and it cannot add headers, recipients or HTML.

use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};
use minijinja::{Value, context};
use uuid::Uuid;

use super::daily;
use super::template::{TemplateError, TemplateKind, Templates};
use crate::domain::approval::{AskedPermission, Purpose};
use crate::domain::bundle::Bundle;
use crate::domain::daily_mail::DailyMail;
use crate::domain::decisions_mail::{DecidedRequest, DecisionsMail};
use crate::domain::notice::{Notice, PermissionNotice};
use crate::domain::password_link::LinkReason;
use crate::domain::permission_request::RequestOutcome;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Email, User};
use crate::domain::validated_text;
use crate::i18n::Language;

/// The maximum length of a displayed name in characters.
const MAX_NAME_CHARS: usize = 80;
/// The maximum length of a line in bytes (RFC 5322, 2.1.1).
const MAX_LINE_BYTES: usize = 998;

/// The input for composing a mail.
#[derive(Clone, Copy, Debug)]
pub struct MailInput<'a> {
    /// The id in the outbox, for the `Message-ID`.
    pub id: Uuid,
    pub to: &'a User,
    pub language: Language,
    pub body: MailBody<'a>,
    /// The link with the token, or to a page.
    pub link: &'a str,
    /// The expiry of a link with a token.
    pub expires_at: Option<Timestamp>,
    pub public_url: &'a str,
    /// The link that turns off mails of this kind, if users can do that.
    pub unsubscribe: Option<&'a str>,
    pub attachments: &'a [Attachment<'a>],
}

/// A text file.
#[derive(Clone, Copy, Debug)]
pub struct Attachment<'a> {
    pub file_name: &'a str,
    pub media_type: &'static str,
    pub text: &'a str,
}

/// The content of a mail.
#[derive(Clone, Copy, Debug)]
pub enum MailBody<'a> {
    /// A request for the recipient's permission.
    Request { requester: &'a User, bundle: &'a Bundle, asked: AskedPermission, purpose: Option<&'a Purpose> },
    /// A link by which the recipient sets a password.
    Password(LinkReason),
    /// What happened to the recipient's account or data.
    Notice { notice: Notice, permission: Option<&'a PermissionNotice> },
    /// Requests of the recipient were approved or declined.
    Decisions(&'a DecisionsMail),
    /// What ends soon or has expired, with the links of the pending requests.
    Daily { mail: &'a DailyMail, links: &'a [String] },
}

/// The reason why a mail could not be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("mail: {0}")]
    Message(#[from] lettre::error::Error),
}

impl Templates {
    /// Composes a mail from the templates of its kind.
    pub fn compose(&self, input: &MailInput<'_>, from: &Mailbox) -> Result<Message, ComposeError> {
        let MailInput { id, to, language, body, link, expires_at, public_url, unsubscribe, attachments } =
            *input;
        let common = context! {
            to => person_context(to),
            link => link,
            expires => expires_at.map(|at| language.weekday_date_time(at)),
            server_url => public_url,
            unsubscribe,
        };
        let rendered = match body {
            MailBody::Request { requester, bundle, asked, purpose } => {
                let bundle = bundle_context(bundle, language.describe_rights(asked.permission));
                let purpose = purpose.map(|purpose| break_links(&sanitize_for_mail(purpose.as_str())));
                let duration = asked.ttl_seconds.map(|seconds| language.duration(seconds));
                self.render(
                    TemplateKind::Request,
                    language,
                    context! { requester => person_context(requester), bundle, purpose, duration, ..common },
                )
            }
            MailBody::Password(reason) => {
                let new_account = reason == LinkReason::NewAccount;
                self.render(TemplateKind::Password, language, context! { new_account, ..common })
            }
            MailBody::Notice { notice, permission } => {
                let parties = permission.map(|PermissionNotice { target, grantee, bundle, rights }| {
                    let rights = match notice {
                        Notice::PermissionGrantedByStaff => language.describe_rights(*rights),
                        _ => language.describe_rights_of_others(*rights),
                    };
                    let [target, grantee] = [target, grantee].map(person_context);
                    context! { target, grantee, bundle => bundle_context(bundle, rights) }
                });
                let values = context! { notice => notice.name(), permission => parties, ..common };
                self.render(TemplateKind::Notice, language, values)
            }
            MailBody::Decisions(mail) => {
                let decisions: Vec<Value> =
                    mail.requests.iter().map(|decided| decision_context(decided, language)).collect();
                let values = context! { decisions, count => mail.requests.len() + mail.more, more => mail.more, ..common };
                self.render(TemplateKind::Decisions, language, values)
            }
            MailBody::Daily { mail, links } => {
                let values = context! { ..daily::values(mail, links, language), ..common };
                self.render(TemplateKind::Daily, language, values)
            }
        }?;
        let to = Mailbox::new(display_name(to), mail_address(&to.email));
        let parts = MultiPart::alternative()
            .singlepart(body_part(ContentType::TEXT_PLAIN, rendered.text))
            .singlepart(body_part(ContentType::TEXT_HTML, rendered.html));
        let mut message = message_builder(id, from, to, &rendered.subject)?;
        if let Some(link) = unsubscribe {
            message =
                message.raw_header(unfolded_header("List-Unsubscribe", format!("<{link}>"))).raw_header(
                    unfolded_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
                );
        }
        if attachments.is_empty() {
            return Ok(message.multipart(parts)?);
        }
        let mut mixed = MultiPart::mixed().multipart(parts);
        for Attachment { file_name, media_type, text } in attachments {
            let media_type = ContentType::parse(media_type).unwrap_or(ContentType::TEXT_PLAIN);
            let file = lettre::message::Attachment::new((*file_name).to_owned());
            mixed = mixed.singlepart(file.body((*text).to_owned(), media_type));
        }
        Ok(message.multipart(mixed)?)
    }
}

/// A mail with which an operator checks the delivery.
pub fn test_message(id: Uuid, to: &Email, from: &Mailbox, public_url: &str) -> Result<Message, ComposeError> {
    let text = format!("This is a test mail from {public_url}. Mail delivery works.\n");
    let to = Mailbox::new(None, mail_address(to));
    Ok(message_builder(id, from, to, "Test mail from countersign")?
        .singlepart(body_part(ContentType::TEXT_PLAIN, text))?)
}

/// The headers other than those of the content. The envelope is set explicitly, not derived from
/// the headers, so that nothing in a name can become a recipient.
fn message_builder(
    id: Uuid,
    from: &Mailbox,
    to: Mailbox,
    subject: &str,
) -> Result<MessageBuilder, ComposeError> {
    const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()])?;
    Ok(Message::builder()
        .envelope(envelope)
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .from(from.clone())
        .to(to)
        .subject(sanitize_for_mail(subject))
        // RFC 3834, 5: automatic responders do not reply.
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned())))
}

/// A header of ASCII text that is not encoded, because a link must stay intact.
fn unfolded_header(name: &'static str, value: String) -> HeaderValue {
    let name = HeaderName::new_from_ascii_str(name);
    HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
}

/// A part of the mail. ASCII text is not encoded, so that links are intact in the source, and a
/// mail in a file is readable.
fn body_part(content_type: ContentType, text: String) -> SinglePart {
    let body = if text.is_ascii() && text.lines().all(|line| line.len() <= MAX_LINE_BYTES) {
        let lines = text.replace('\n', "\r\n").into_bytes();
        Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    };
    SinglePart::builder().header(content_type).body(body)
}

fn bundle_context(bundle: &Bundle, rights: Vec<String>) -> Value {
    context! {
        name => sanitize_for_mail(&bundle.display_name()),
        description => sanitize_for_mail(&bundle.display_description()),
        rights,
    }
}

/// A decided request, for its requester.
fn decision_context(decided: &DecidedRequest, language: Language) -> Value {
    let DecidedRequest { request, target, bundle } = decided;
    let closed = request.closed.as_ref();
    let (rights, expires_at) = closed.and_then(|closed| closed.approved()).unzip();
    let rights = rights.map(|rights| language.describe_rights_of_others(rights));
    let reason = closed.and_then(|closed| closed.reason.as_ref());
    context! {
        approved => closed.is_some_and(|closed| closed.outcome == RequestOutcome::Approved),
        target => person_context(target),
        bundle => bundle_context(bundle, rights.unwrap_or_default()),
        until => expires_at.flatten().map(|at| language.weekday_date_time(at)),
        reason => reason.map(|reason| break_links(&sanitize_for_mail(reason.as_str()))),
    }
}

pub(super) fn person_context(user: &User) -> Value {
    let email = user.email.as_str();
    context! { name => display_name(user).unwrap_or_else(|| email.to_owned()), email => email }
}

/// The address for headers and the envelope. An [`Email`] is ASCII without characters that are
/// special in headers.
fn mail_address(email: &Email) -> Address {
    let (local, domain) = email.as_str().rsplit_once('@').unwrap_or_default();
    Address::new_dangerous(local, domain)
}

/// The displayed name of a user, if there is one.
fn display_name(user: &User) -> Option<String> {
    let mut name = break_links(&sanitize_for_mail(&user.full_name()));
    if name.chars().count() > MAX_NAME_CHARS {
        name = name.chars().take(MAX_NAME_CHARS - 3).chain("...".chars()).collect();
    }
    Some(name).filter(|name| !name.is_empty())
}

/// Inserts blanks into everything that a mail program would turn into a link, because a name or a
/// purpose can be `https://example.com`.
fn break_links(text: &str) -> String {
    let mut broken = String::with_capacity(text.len());
    let mut previous = ' ';
    for c in text.chars() {
        let follows_dot = matches!(previous, '.' | '。' | '．' | '｡') && c.is_alphanumeric();
        if follows_dot || (previous == ':' && c == '/') {
            broken.push(' ');
        }
        broken.push(c);
        previous = c;
    }
    broken
}

/// Sanitizes a text for display, and breaks up encoded words (RFC 2047).
pub(super) fn sanitize_for_mail(text: &str) -> String {
    validated_text::sanitize_for_display(text).replace("=?", "= ?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::{BundleId, BundleName, Description};
    use crate::domain::rights::Mask;
    use crate::domain::user::{PersonName, UserId};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    const LINK: &str =
        "https://consent.example.org/requests?token=csr_EAGV3NuAAHAAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&x=1";

    fn user(email: &str, first: &str, last: &str) -> User {
        User {
            id: UserId(1),
            email: Email::new(email).unwrap(),
            first_name: PersonName::new(first).unwrap(),
            last_name: PersonName::new(last).unwrap(),
            active: true,
            staff: false,
        }
    }

    fn bundle(name: &str, description: &str) -> Bundle {
        Bundle {
            id: BundleId(1),
            name: BundleName::new(name).unwrap(),
            description: Description::new(description).unwrap(),
            permission: Mask::new(6).unwrap(),
        }
    }

    fn compose(to: &User, requester: &User, bundle: &Bundle) -> Message {
        let asked = AskedPermission::without_end(bundle.permission);
        let body = MailBody::Request { requester, bundle, asked, purpose: None };
        compose_in(to, Language::English, body)
    }

    fn compose_in(to: &User, language: Language, body: MailBody<'_>) -> Message {
        let input = MailInput {
            id: Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001),
            to,
            language,
            body,
            link: LINK,
            expires_at: Some(Timestamp::from_micros(1_893_456_000_000_000)),
            public_url: "https://consent.example.org",
            unsubscribe: None,
            attachments: &[],
        };
        let from = "Countersign <no-reply@example.org>".parse().unwrap();
        Templates::load(None).unwrap().compose(&input, &from).unwrap()
    }

    /// A mail with unfolded headers and decoded parts.
    struct ParsedMail {
        headers: Vec<(String, String)>,
        text: String,
        html: String,
    }

    fn parse_mail(message: &Message) -> ParsedMail {
        let raw = String::from_utf8(message.formatted()).unwrap();
        assert!(!raw.replace("\r\n", "").contains(['\r', '\n']), "lines end in CRLF");
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        let headers = parse_headers(head);
        let (_, boundary) = header_value(&headers, "Content-Type").split_once("boundary=\"").unwrap();
        let delimiter = format!("--{}", boundary.trim_end_matches('"'));
        let parts: Vec<String> = body.split(&delimiter).skip(1).take(2).map(decode_part).collect();
        ParsedMail { headers, text: parts[0].clone(), html: parts[1].clone() }
    }

    fn parse_headers(head: &str) -> Vec<(String, String)> {
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let header = |line: &str| line.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        unfolded.split("\r\n").map(header).collect()
    }

    fn header_value<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
        &headers.iter().find(|(key, _)| key == name).unwrap().1
    }

    fn decode_part(part: &str) -> String {
        let (head, body) = part.trim_start().split_once("\r\n\r\n").unwrap();
        match header_value(&parse_headers(head), "Content-Transfer-Encoding") {
            "7bit" => body.to_owned(),
            "base64" => String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap(),
            "quoted-printable" => {
                let body = body.replace("=\r\n", "");
                let mut pieces = body.split('=');
                let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
                for piece in pieces {
                    bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
                    bytes.extend(piece[2..].bytes());
                }
                String::from_utf8(bytes).unwrap()
            }
            other => panic!("{other}"),
        }
    }

    const HEADERS: [&str; 8] =
        ["Message-ID", "From", "To", "Subject", "Auto-Submitted", "MIME-Version", "Date", "Content-Type"];

    /// Checks what must hold for all names.
    fn check_invariants(message: &Message, to: &User) -> ParsedMail {
        let mail = parse_mail(message);
        let names: Vec<&str> = mail.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, HEADERS, "exactly these headers, once each");
        let recipients: Vec<String> = message.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(recipients, [to.email.as_str()]);
        let shown = header_value(&mail.headers, "To");
        assert!(
            shown == to.email.as_str() || shown.ends_with(&format!(" <{}>", to.email.as_str())),
            "{shown}"
        );
        assert!(message.formatted().is_ascii(), "every mail server accepts it");
        assert!(mail.text.lines().any(|line| line == LINK), "the link stands alone and whole");
        assert!(mail.html.contains(&format!("href=\"{}\"", LINK.replace('&', "&amp;"))));
        mail
    }

    #[test]
    fn request_mail_names_requester_bundle_rights_and_expiry() {
        let (ada, grace) =
            (user("ada@example.org", "Ada", "Lovelace"), user("grace@example.org", "Grace", "Hopper"));
        let message = compose(&ada, &grace, &bundle("Heart rate", "All recordings of this year"));
        let mail = check_invariants(&message, &ada);
        assert_eq!(
            header_value(&mail.headers, "Message-ID"),
            "<01920000-0000-7000-8000-000000000001@example.org>"
        );
        assert_eq!(header_value(&mail.headers, "Auto-Submitted"), "auto-generated");
        assert_eq!(header_value(&mail.headers, "To"), "\"Ada Lovelace\" <ada@example.org>");
        assert_eq!(
            header_value(&mail.headers, "Subject"),
            "Grace Hopper asks for your permission: Heart rate"
        );
        for part in [&mail.text, &mail.html] {
            for words in [
                "Ada Lovelace",
                "Grace Hopper",
                "grace@example.org",
                "Heart rate",
                "All recordings of this year",
                "view your data",
                "download your data",
                "Tuesday, 1 January 2030, 00:00 UTC",
                "ada@example.org",
                "decline",
                "works once, only for you",
                "nothing changes",
            ] {
                let flat = part.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flat.contains(words), "{words}: {part}");
            }
            assert!(!part.contains("change and delete"), "no right that is not asked for");
        }
        assert!(mail.text.lines().all(|line| line.len() <= 78 || line == LINK), "{}", mail.text);
    }

    #[test]
    fn request_mail_is_available_in_german() {
        let (ada, grace) =
            (user("ada@example.org", "Ada", "Lovelace"), user("grace@example.org", "Grace", "Hopper"));
        let bundle = bundle("Puls", "Alle Aufnahmen dieses Jahres");
        let asked = AskedPermission {
            permission: Mask::new(4).unwrap(),
            minimum: None,
            ttl_seconds: Some(90 * 86_400),
        };
        let purpose = Purpose::new("Studie unter https://example.com").unwrap();
        let body = MailBody::Request { requester: &grace, bundle: &bundle, asked, purpose: Some(&purpose) };
        let mail = check_invariants(&compose_in(&ada, Language::German, body), &ada);
        for part in [&mail.text, &mail.html] {
            let flat = part.split_whitespace().collect::<Vec<_>>().join(" ");
            for words in [
                "Guten Tag",
                "Grace Hopper",
                "Puls",
                "Alle Aufnahmen",
                "Ihre Daten herunterladen",
                "Gewünschte Dauer: 90 Tage.",
                "Der Grund: Studie unter https: //example. com",
                "Dienstag, 1. Januar 2030, 00:00 UTC",
                "nichts",
                "ablehnen",
            ] {
                assert!(flat.contains(words), "{words}: {part}");
            }
        }
        assert!(mail.html.contains("<html lang=\"de\">"));
        assert!(mail.text.lines().all(|line| line.chars().count() <= 78 || line == LINK), "{}", mail.text);
    }

    #[test]
    fn password_mail_explains_its_reason_and_can_be_ignored() {
        let ada = user("ada@example.org", "Ada", "Lovelace");
        for (reason, language, explanation, ignored) in [
            (LinkReason::NewAccount, Language::English, "An account was created for you", "you can ignore"),
            (
                LinkReason::ForgottenPassword,
                Language::English,
                "a request to reset the password",
                "you can ignore",
            ),
            (
                LinkReason::NewAccount,
                Language::German,
                "wurde ein Konto für Sie erstellt",
                "können Sie sie ignorieren",
            ),
            (
                LinkReason::ForgottenPassword,
                Language::German,
                "angefordert, das Passwort zurückzusetzen",
                "können Sie diese E-Mail ignorieren",
            ),
        ] {
            let mail = check_invariants(&compose_in(&ada, language, MailBody::Password(reason)), &ada);
            for part in [&mail.text, &mail.html] {
                let flat = part.split_whitespace().collect::<Vec<_>>().join(" ");
                for words in [
                    explanation,
                    ignored,
                    "ada@example.org",
                    "https://consent.example.org",
                    "2030, 00:00 UTC",
                ] {
                    assert!(flat.contains(words), "{words}: {part}");
                }
            }
        }
    }

    #[test]
    fn ascii_mail_is_not_transfer_encoded() {
        let ada = user("ada@example.org", "Ada", "");
        let raw = String::from_utf8(compose(&ada, &ada, &bundle("x", "")).formatted()).unwrap();
        assert!(raw.contains(&format!("\r\n{LINK}\r\n")));
    }

    #[test]
    fn user_without_a_name_is_shown_by_address() {
        let (ada, grace) = (user("ada@example.org", "", ""), user("grace@example.org", "", ""));
        let mail = check_invariants(&compose(&ada, &grace, &bundle("x", "")), &ada);
        assert_eq!(header_value(&mail.headers, "To"), "ada@example.org");
        assert!(mail.text.contains("Hello ada@example.org,"));
        assert!(mail.text.contains("grace@example.org asks for your permission"));
    }

    #[test]
    fn names_cannot_contain_links_or_bidi_controls() {
        let ada = user("ada@example.org", "Ada", "");
        for (first, shown) in [
            ("https://evil.example/x?y", "https: //evil. example/x?y"),
            ("www.evil.example", "www. evil. example"),
            ("J.R. Smith", "J. R. Smith"),
            ("evil。example", "evil。 example"),
            ("\u{202e}elpmaxe", "elpmaxe"),
            ("=?utf-8?q?Bob?=", "= ?utf-8?q?Bob?="),
            ("  two   blanks ", "two blanks"),
        ] {
            let grace = user("grace@example.org", first, "");
            assert_eq!(display_name(&grace).as_deref(), Some(shown));
            check_invariants(&compose(&grace, &ada, &bundle("x", "")), &grace);
        }
        let long = display_name(&user("a@example.org", &"x".repeat(150), "")).unwrap();
        assert!(long.len() == MAX_NAME_CHARS && long.ends_with("..."));
        assert_eq!(display_name(&user("a@example.org", "\u{202e}", "\u{200b}")), None);
        assert_eq!(display_name(&user("a@example.org", "\u{3164}", "\u{2800}")), None);
    }

    #[test]
    fn names_are_escaped_in_html() {
        let ada = user("ada@example.org", "<img src=x onerror=alert(1)>", "\" onclick='x' &amp;");
        let mail = check_invariants(
            &compose(&ada, &ada, &bundle("</strong><script>", "<a href=\"https://evil\">")),
            &ada,
        );
        for raw in ["<img", "<script", "<a href=\"https://evil", "\" onclick", "'x'"] {
            assert!(!mail.html.contains(raw), "{raw}");
        }
        assert!(mail.html.contains("&amp;amp;"), "escaped once, not read as escaped");
    }

    #[test]
    fn multiline_subject_template_adds_no_header() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("request.subject.txt"), "One\nBcc: eve@example.org\n").unwrap();
        let templates = Templates::load(Some(directory.path())).unwrap();
        let ada = user("ada@example.org", "Ada", "");
        let input = MailInput {
            id: Uuid::nil(),
            to: &ada,
            language: Language::English,
            body: MailBody::Request {
                requester: &ada,
                bundle: &bundle("x", ""),
                asked: AskedPermission::without_end(Mask::READ),
                purpose: None,
            },
            link: LINK,
            expires_at: Some(Timestamp::from_micros(0)),
            public_url: "https://example.org",
            unsubscribe: None,
            attachments: &[],
        };
        let message = templates.compose(&input, &"a@example.org".parse().unwrap()).unwrap();
        assert_eq!(
            header_value(&check_invariants(&message, &ada).headers, "Subject"),
            "One Bcc: eve@example.org"
        );
    }

    #[test]
    fn test_message_has_the_same_headers() {
        let to = Email::new("ada@example.org").unwrap();
        let from = "no-reply@example.org".parse().unwrap();
        let raw = String::from_utf8(
            test_message(Uuid::nil(), &to, &from, "https://example.org").unwrap().formatted(),
        )
        .unwrap();
        assert!(raw.contains("Message-ID: <00000000-0000-0000-0000-000000000000@example.org>\r\n"));
        assert!(
            raw.contains("Auto-Submitted: auto-generated\r\n") && raw.contains("To: ada@example.org\r\n")
        );
    }

    /// Valid names, many of them hostile.
    fn any_name() -> impl Strategy<Value = String> {
        let nasty = prop_oneof![
            Just("\"".to_owned()),
            Just(", eve@example.org".to_owned()),
            Just("<eve@example.org>".to_owned()),
            Just("\\".to_owned()),
            Just("=?utf-8?b?DQpCY2M6IGV2ZQ==?=".to_owned()),
            Just("\u{2028}\u{2029}\u{202e}\u{feff}".to_owned()),
            Just("; : ( ) [ ] @".to_owned()),
            Just("</td>{{ link }}{% raw %}".to_owned()),
        ];
        proptest::collection::vec(prop_oneof![3 => "\\PC{0,12}", 2 => nasty], 0..4)
            .prop_map(|pieces| pieces.concat().chars().take(100).collect())
    }

    proptest! {
        #[test]
        fn any_name_yields_one_recipient_and_no_extra_header(
            to in (any_name(), any_name()),
            requester in (any_name(), any_name()),
            bundle_name in any_name(),
            description in any_name(),
        ) {
            let to = user("ada+1@sub.example.org", &to.0, &to.1);
            let requester = user("grace@example.org", &requester.0, &requester.1);
            let bundle = bundle(&format!("x{bundle_name}").chars().take(100).collect::<String>(), &description);
            let mail = check_invariants(&compose(&to, &requester, &bundle), &to);
            let tags = |html: &str| html.matches('<').count();
            let plain = check_invariants(&compose(&to, &requester, &super::tests::bundle("x", if sanitize_for_mail(&description).is_empty() { "" } else { "x" })), &to);
            // Names and descriptions add no tags.
            prop_assert_eq!(tags(&mail.html), tags(&plain.html));
        }

        #[test]
        fn every_domain_email_is_a_valid_mail_address(text in "[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,20}@[a-z0-9.-]{1,20}") {
            if let Ok(email) = Email::new(&text) {
                prop_assert_eq!(mail_address(&email).to_string(), email.as_str());
            }
        }
    }
}
