//! The mail itself: headers and parts.
//!
//! What people call themselves is not to be trusted. A name is one short line
//! without anything invisible, of which no mail program makes a link, and which
//! adds neither header nor recipient, nor HTML.

use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, Message};
use minijinja::{Value, context};
use uuid::Uuid;

use super::template::{Kind, TemplateError, Templates};
use crate::domain::bundle::Bundle;
use crate::domain::clock::Timestamp;
use crate::domain::password_link::Occasion;
use crate::domain::text;
use crate::domain::user::{Email, User};
use crate::words::Language;

/// The most characters of a person's name that a mail shows.
const NAME_CHARS: usize = 80;
/// The most bytes in a line of a mail (RFC 5322, 2.1.1).
const LINE_BYTES: usize = 998;

/// What a mail is made of.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The outbox's id: the same mail has the same one.
    pub id: Uuid,
    /// Who gets it.
    pub to: &'a User,
    /// In which language.
    pub language: Language,
    /// What it says.
    pub content: Content<'a>,
    /// Where it leads, with a token.
    pub link: &'a str,
    /// Until when.
    pub expires_at: Timestamp,
    /// What this server is called.
    pub public_url: &'a str,
}

/// What a mail says.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// That somebody asks for a permission.
    Asked {
        /// Who.
        by: &'a User,
        /// For what.
        bundle: &'a Bundle,
    },
    /// That its addressee may set a password, and why.
    Password(Occasion),
}

/// Why there is no mail.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The words cannot be put together.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The mail cannot be put together.
    #[error("mail: {0}")]
    Message(#[from] lettre::error::Error),
}

impl Templates {
    /// The mail, in the words of its kind.
    pub fn write(&self, draft: &Draft<'_>, from: &Mailbox) -> Result<Message, ComposeError> {
        let Draft { id, to, language, content, link, expires_at, public_url } = *draft;
        let both = context! {
            to => person(to),
            link => link,
            expires => language.day_and_moment(expires_at),
            server => public_url,
        };
        let words = match content {
            Content::Asked { by, bundle } => {
                let bundle = context! {
                    name => clean(&bundle.display_name()),
                    description => clean(&bundle.display_description()),
                    rights => language.rights(bundle.permission),
                };
                self.render(Kind::Request, language, context! { asks => person(by), bundle, ..both })
            }
            Content::Password(occasion) => {
                let first = occasion == Occasion::First;
                self.render(Kind::Password, language, context! { first, ..both })
            }
        }?;
        let to = Mailbox::new(name(to), address(&to.email));
        let parts = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, words.text))
            .singlepart(part(ContentType::TEXT_HTML, words.html));
        Ok(headers(id, from, to, &words.subject)?.multipart(parts)?)
    }
}

/// A mail by which an operator sees whether mail arrives.
pub fn trial(id: Uuid, to: &Email, from: &Mailbox, public_url: &str) -> Result<Message, ComposeError> {
    let text = format!("This is a test mail from {public_url}. Mail delivery works.\n");
    let to = Mailbox::new(None, address(to));
    Ok(headers(id, from, to, "Test mail from countersign")?
        .singlepart(part(ContentType::TEXT_PLAIN, text))?)
}

/// All headers but those of the content. The envelope is set, not read from the
/// headers: nothing in a name can ever become a recipient.
fn headers(id: Uuid, from: &Mailbox, to: Mailbox, subject: &str) -> Result<MessageBuilder, ComposeError> {
    const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()])?;
    Ok(Message::builder()
        .envelope(envelope)
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .from(from.clone())
        .to(to)
        .subject(clean(subject))
        // RFC 3834, 5: nobody's holiday notice is to answer this.
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned())))
}

/// A part of the mail. ASCII is left as it is, whatever the length of its lines:
/// a link stays whole in the source too, and a mail in a file can be read there.
fn part(kind: ContentType, text: String) -> SinglePart {
    let body = if text.is_ascii() && text.lines().all(|line| line.len() <= LINE_BYTES) {
        let lines = text.replace('\n', "\r\n").into_bytes();
        Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    };
    SinglePart::builder().header(kind).body(body)
}

fn person(user: &User) -> Value {
    let email = user.email.as_str();
    context! { name => name(user).unwrap_or_else(|| email.to_owned()), email => email }
}

/// What the domain takes for an address is one, in ASCII, without any sign that
/// has a meaning in a header.
fn address(email: &Email) -> Address {
    let (local, domain) = email.as_str().rsplit_once('@').unwrap_or_default();
    Address::new_dangerous(local, domain)
}

/// What a person is called, if they are; with nothing that a mail program would
/// take for a link, since anybody may call themselves `https://example.com`.
fn name(user: &User) -> Option<String> {
    let both = clean(&user.shown_names());
    let mut name = String::with_capacity(both.len());
    let mut before = ' ';
    for c in both.chars() {
        let dotted = matches!(before, '.' | '。' | '．' | '｡') && c.is_alphanumeric();
        if dotted || (before == ':' && c == '/') {
            name.push(' ');
        }
        name.push(c);
        before = c;
    }
    if name.chars().count() > NAME_CHARS {
        name = name.chars().take(NAME_CHARS - 3).chain("...".chars()).collect();
    }
    Some(name).filter(|name| !name.is_empty())
}

/// A text as people are shown it, in which nothing begins like an encoded word (RFC 2047),
/// lest it be read as one.
fn clean(text: &str) -> String {
    text::clean(text).replace("=?", "= ?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::{BundleId, BundleName, Description};
    use crate::domain::permission::Mask;
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

    fn compose(to: &User, asks: &User, bundle: &Bundle) -> Message {
        write(to, Language::English, Content::Asked { by: asks, bundle })
    }

    fn write(to: &User, language: Language, content: Content<'_>) -> Message {
        let draft = Draft {
            id: Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001),
            to,
            language,
            content,
            link: LINK,
            expires_at: Timestamp::from_micros(1_893_456_000_000_000),
            public_url: "https://consent.example.org",
        };
        let from = "Countersign <no-reply@example.org>".parse().unwrap();
        Templates::load(None).unwrap().write(&draft, &from).unwrap()
    }

    /// A mail as one that gets it would read it: headers unfolded, parts decoded.
    struct Read {
        headers: Vec<(String, String)>,
        text: String,
        html: String,
    }

    fn read(message: &Message) -> Read {
        let raw = String::from_utf8(message.formatted()).unwrap();
        assert!(!raw.replace("\r\n", "").contains(['\r', '\n']), "lines end in CRLF");
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        let headers = headers_of(head);
        let (_, boundary) = field(&headers, "Content-Type").split_once("boundary=\"").unwrap();
        let delimiter = format!("--{}", boundary.trim_end_matches('"'));
        let parts: Vec<String> = body.split(&delimiter).skip(1).take(2).map(decoded).collect();
        Read { headers, text: parts[0].clone(), html: parts[1].clone() }
    }

    fn headers_of(head: &str) -> Vec<(String, String)> {
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let header = |line: &str| line.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        unfolded.split("\r\n").map(header).collect()
    }

    fn field<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
        &headers.iter().find(|(key, _)| key == name).unwrap().1
    }

    fn decoded(part: &str) -> String {
        let (head, body) = part.trim_start().split_once("\r\n\r\n").unwrap();
        match field(&headers_of(head), "Content-Transfer-Encoding") {
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

    /// What must hold whatever anybody is called.
    fn check(message: &Message, to: &User) -> Read {
        let mail = read(message);
        let names: Vec<&str> = mail.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, HEADERS, "no header but ours, each once");
        let recipients: Vec<String> = message.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(recipients, [to.email.as_str()]);
        let shown = field(&mail.headers, "To");
        assert!(
            shown == to.email.as_str() || shown.ends_with(&format!(" <{}>", to.email.as_str())),
            "{shown}"
        );
        assert!(message.formatted().is_ascii(), "any relay takes it");
        assert!(mail.text.lines().any(|line| line == LINK), "the link stands alone and whole");
        assert!(mail.html.contains(&format!("href=\"{}\"", LINK.replace('&', "&amp;"))));
        mail
    }

    #[test]
    fn the_mail_says_who_asks_for_what_until_when_and_where_to_answer() {
        let (ada, grace) =
            (user("ada@example.org", "Ada", "Lovelace"), user("grace@example.org", "Grace", "Hopper"));
        let message = compose(&ada, &grace, &bundle("Heart rate", "All recordings of this year"));
        let mail = check(&message, &ada);
        assert_eq!(field(&mail.headers, "Message-ID"), "<01920000-0000-7000-8000-000000000001@example.org>");
        assert_eq!(field(&mail.headers, "Auto-Submitted"), "auto-generated");
        assert_eq!(field(&mail.headers, "To"), "\"Ada Lovelace\" <ada@example.org>");
        assert_eq!(field(&mail.headers, "Subject"), "Grace Hopper asks for your permission: Heart rate");
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
    fn the_mail_speaks_german_too() {
        let (ada, grace) =
            (user("ada@example.org", "Ada", "Lovelace"), user("grace@example.org", "Grace", "Hopper"));
        let bundle = bundle("Puls", "Alle Aufnahmen dieses Jahres");
        let mail =
            check(&write(&ada, Language::German, Content::Asked { by: &grace, bundle: &bundle }), &ada);
        for part in [&mail.text, &mail.html] {
            let flat = part.split_whitespace().collect::<Vec<_>>().join(" ");
            for words in [
                "Guten Tag",
                "Grace Hopper",
                "Puls",
                "Alle Aufnahmen",
                "Ihre Daten herunterladen",
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
    fn the_mail_with_a_password_link_says_why_it_came_and_that_it_may_be_ignored() {
        let ada = user("ada@example.org", "Ada", "Lovelace");
        for (occasion, language, why, ignored) in [
            (Occasion::First, Language::English, "An account was created for you", "you can ignore"),
            (Occasion::Forgotten, Language::English, "a request to reset the password", "you can ignore"),
            (
                Occasion::First,
                Language::German,
                "wurde ein Konto für Sie erstellt",
                "können Sie sie ignorieren",
            ),
            (
                Occasion::Forgotten,
                Language::German,
                "angefordert, das Passwort zurückzusetzen",
                "können Sie diese E-Mail ignorieren",
            ),
        ] {
            let mail = check(&write(&ada, language, Content::Password(occasion)), &ada);
            for part in [&mail.text, &mail.html] {
                let flat = part.split_whitespace().collect::<Vec<_>>().join(" ");
                for words in
                    [why, ignored, "ada@example.org", "https://consent.example.org", "2030, 00:00 UTC"]
                {
                    assert!(flat.contains(words), "{words}: {part}");
                }
            }
        }
    }

    #[test]
    fn what_is_ascii_can_be_read_in_the_source() {
        let ada = user("ada@example.org", "Ada", "");
        let raw = String::from_utf8(compose(&ada, &ada, &bundle("x", "")).formatted()).unwrap();
        assert!(raw.contains(&format!("\r\n{LINK}\r\n")));
    }

    #[test]
    fn who_has_no_name_goes_by_the_address() {
        let (ada, grace) = (user("ada@example.org", "", ""), user("grace@example.org", "", ""));
        let mail = check(&compose(&ada, &grace, &bundle("x", "")), &ada);
        assert_eq!(field(&mail.headers, "To"), "ada@example.org");
        assert!(mail.text.contains("Hello ada@example.org,"));
        assert!(mail.text.contains("grace@example.org asks for your permission"));
    }

    #[test]
    fn nobody_smuggles_in_a_link_or_turns_the_text_around() {
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
            assert_eq!(name(&grace).as_deref(), Some(shown));
            check(&compose(&grace, &ada, &bundle("x", "")), &grace);
        }
        let long = name(&user("a@example.org", &"x".repeat(150), "")).unwrap();
        assert!(long.len() == NAME_CHARS && long.ends_with("..."));
        assert_eq!(name(&user("a@example.org", "\u{202e}", "\u{200b}")), None);
        assert_eq!(name(&user("a@example.org", "\u{3164}", "\u{2800}")), None);
    }

    #[test]
    fn a_name_is_text_in_the_html() {
        let ada = user("ada@example.org", "<img src=x onerror=alert(1)>", "\" onclick='x' &amp;");
        let mail =
            check(&compose(&ada, &ada, &bundle("</strong><script>", "<a href=\"https://evil\">")), &ada);
        for raw in ["<img", "<script", "<a href=\"https://evil", "\" onclick", "'x'"] {
            assert!(!mail.html.contains(raw), "{raw}");
        }
        assert!(mail.html.contains("&amp;amp;"), "escaped once, not read as escaped");
    }

    #[test]
    fn a_template_that_breaks_the_subject_in_two_adds_no_header() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("request.subject.txt"), "One\nBcc: eve@example.org\n").unwrap();
        let templates = Templates::load(Some(directory.path())).unwrap();
        let ada = user("ada@example.org", "Ada", "");
        let draft = Draft {
            id: Uuid::nil(),
            to: &ada,
            language: Language::English,
            content: Content::Asked { by: &ada, bundle: &bundle("x", "") },
            link: LINK,
            expires_at: Timestamp::from_micros(0),
            public_url: "https://example.org",
        };
        let message = templates.write(&draft, &"a@example.org".parse().unwrap()).unwrap();
        assert_eq!(field(&check(&message, &ada).headers, "Subject"), "One Bcc: eve@example.org");
    }

    #[test]
    fn a_trial_has_the_same_headers() {
        let to = Email::new("ada@example.org").unwrap();
        let from = "no-reply@example.org".parse().unwrap();
        let raw =
            String::from_utf8(trial(Uuid::nil(), &to, &from, "https://example.org").unwrap().formatted())
                .unwrap();
        assert!(raw.contains("Message-ID: <00000000-0000-0000-0000-000000000000@example.org>\r\n"));
        assert!(
            raw.contains("Auto-Submitted: auto-generated\r\n") && raw.contains("To: ada@example.org\r\n")
        );
    }

    /// Names as the domain lets them be, and as nasty as that allows.
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
        fn whatever_people_are_called_there_is_one_recipient_and_no_header_but_ours(
            to in (any_name(), any_name()),
            asks in (any_name(), any_name()),
            bundle_name in any_name(),
            description in any_name(),
        ) {
            let to = user("ada+1@sub.example.org", &to.0, &to.1);
            let asks = user("grace@example.org", &asks.0, &asks.1);
            let bundle = bundle(&format!("x{bundle_name}").chars().take(100).collect::<String>(), &description);
            let mail = check(&compose(&to, &asks, &bundle), &to);
            let tags = |html: &str| html.matches('<').count();
            let plain = check(&compose(&to, &asks, &super::tests::bundle("x", if clean(&description).is_empty() { "" } else { "x" })), &to);
            // The address beside a name is no tag more.
            prop_assert_eq!(tags(&mail.html), tags(&plain.html));
        }

        #[test]
        fn an_address_of_the_domains_is_one_for_mail(text in "[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,20}@[a-z0-9.-]{1,20}") {
            if let Ok(email) = Email::new(&text) {
                prop_assert_eq!(address(&email).to_string(), email.as_str());
            }
        }
    }
}
