//! The mails that lie in the mail directory, for whoever tries the server without a relay.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use mail_parser::{Address, Message, MessageParser};
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::store::Page;

/// The most bytes of a mail that are read; ours have some thousands.
const MOST: u64 = 1 << 20;

/// A mail, as far as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The id, which is the file's name.
    pub id: Uuid,
    /// When it was written, by the file.
    pub at: Timestamp,
    /// Whom it is from.
    pub from: String,
    /// Whom it is for.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
}

/// A stretch of a letter's text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stretch<'a> {
    /// The text.
    pub text: &'a str,
    /// Whether it is a link.
    pub link: bool,
}

/// So many of the mails in a directory, the newest first, past so many newer ones. (The
/// directory is read as a whole: this is for whoever tries the server, with few mails.)
pub fn newest(directory: &Path, page: Page) -> io::Result<Vec<Letter>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found: Vec<(SystemTime, Uuid)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let id = id(Path::new(&entry.file_name()))?;
            Some((entry.metadata().ok()?.modified().ok()?, id))
        })
        .collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    let rows = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let page = found.into_iter().skip(rows(page.offset)).take(rows(page.limit));
    // What is taken away meanwhile is not there.
    page.filter_map(|(_, id)| read(directory, id).transpose()).collect()
}

/// A mail in a directory; `None` when there is none of this id.
pub fn read(directory: &Path, id: Uuid) -> io::Result<Option<Letter>> {
    let file = match File::open(directory.join(format!("{id}.eml"))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let at = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut content = Vec::new();
    file.take(MOST).read_to_end(&mut content)?;
    let parser = MessageParser::new().with_mime_headers().with_address_headers().with_message_ids();
    let parser = parser.header_text(mail_parser::HeaderName::Subject);
    let message = parser.parse(&content);
    let message = message.as_ref();
    Ok(Some(Letter {
        id,
        at: Timestamp::from_micros(i64::try_from(at.as_micros()).unwrap_or(i64::MAX)),
        from: people(message.and_then(Message::from)),
        to: people(message.and_then(Message::to)),
        subject: message.and_then(Message::subject).unwrap_or_default().to_owned(),
        text: message.map(text).unwrap_or_default(),
    }))
}

/// The id of the mail that a file is, if it is one.
fn id(file: &Path) -> Option<Uuid> {
    if file.extension()? != "eml" {
        return None;
    }
    // In the one spelling that a mail is written in.
    let name = file.file_stem()?.to_str()?;
    Uuid::try_parse(name).ok().filter(|id| id.to_string() == name)
}

/// The plain text alone: what is HTML in a mail is not ours to show.
fn text(message: &Message<'_>) -> String {
    let plain = message.text_bodies().find(|part| part.is_text() && !part.is_text_html());
    plain.and_then(|part| part.text_contents()).unwrap_or_default().replace('\r', "")
}

/// People as a mail names them.
fn people(addresses: Option<&Address<'_>>) -> String {
    let person = |person: &mail_parser::Addr<'_>| {
        let address = person.address().unwrap_or_default();
        person.name().map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>"))
    };
    let people = addresses.into_iter().flat_map(Address::iter);
    people.map(person).collect::<Vec<_>>().join(", ")
}

impl Letter {
    /// The text, with its links apart.
    pub fn stretches(&self) -> Vec<Stretch<'_>> {
        let mut stretches = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(start) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
            let (before, from) = rest.split_at(start);
            let end = from.find(|c: char| !c.is_ascii_graphic() || "<>\"'`\\^{|}".contains(c));
            let link = from.get(..end.unwrap_or(from.len())).unwrap_or(from);
            // What ends a sentence is no part of a link.
            let link = link.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']']);
            stretches.push(Stretch { text: before, link: false });
            stretches.push(Stretch { text: link, link: true });
            rest = from.get(link.len()..).unwrap_or_default();
        }
        stretches.push(Stretch { text: rest, link: false });
        stretches.retain(|stretch| !stretch.text.is_empty());
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::transport::Transport;
    use lettre::message::MultiPart;

    fn letter(text: &str) -> Letter {
        let (from, to, subject) = (String::new(), String::new(), String::new());
        Letter { id: Uuid::nil(), at: Timestamp::from_micros(0), from, to, subject, text: text.to_owned() }
    }

    #[tokio::test]
    async fn what_is_written_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        let transport = Transport::directory(root.path()).unwrap();
        let id = Uuid::from_u128(7);
        let text = "Grüße\n\nhttps://example.org/redeem?token=csr_x\n";
        let mail = lettre::Message::builder()
            .from("Countersign <a@example.org>".parse().unwrap())
            .to("Grace Hopper <b@example.org>".parse().unwrap())
            .subject("Schlaf – eine Anfrage")
            .multipart(MultiPart::alternative_plain_html(text.to_owned(), "<b>Grüße</b>".to_owned()))
            .unwrap();
        transport.send(&mail, id).await.unwrap();
        for other in ["x.eml", ".draft", "00000000-0000-0000-0000-000000000008.txt"] {
            fs::write(root.path().join(other), "not ours").unwrap();
        }
        let letters = newest(root.path(), Page { limit: 10, offset: 0 }).unwrap();
        assert_eq!(letters.len(), 1);
        let letter = read(root.path(), id).unwrap().unwrap();
        assert_eq!(letters, std::slice::from_ref(&letter));
        assert_eq!((letter.id, letter.subject.as_str()), (id, "Schlaf – eine Anfrage"));
        assert_eq!(letter.from, "Countersign <a@example.org>");
        assert_eq!(letter.to, "Grace Hopper <b@example.org>");
        assert_eq!(letter.text.trim_end(), text.trim_end());
        assert_eq!(newest(root.path(), Page { limit: 10, offset: 1 }).unwrap(), []);
        assert_eq!(read(root.path(), Uuid::nil()).unwrap(), None);
    }

    #[test]
    fn what_is_no_mail_is_an_empty_one_and_no_directory_holds_none() {
        let root = tempfile::tempdir().unwrap();
        let id = Uuid::from_u128(7);
        for content in
            [&b""[..], b"\0\xff\r\n\r\n", b"Content-Type: text/html\r\n\r\n<script>alert(1)</script>"]
        {
            fs::write(root.path().join(format!("{id}.eml")), content).unwrap();
            let letter = read(root.path(), id).unwrap().unwrap();
            assert!(!letter.text.contains("script"), "{letter:?}");
        }
        assert_eq!(newest(&root.path().join("missing"), Page { limit: 10, offset: 0 }).unwrap(), []);
    }

    #[test]
    fn links_stand_apart() {
        let plain = |text| Stretch { text, link: false };
        let link = |text| Stretch { text, link: true };
        for (text, stretches) in [
            ("", vec![]),
            ("nothing", vec![plain("nothing")]),
            ("http://x", vec![link("http://x")]),
            (
                "See https://x/?a=1_2-3.\nBye",
                vec![plain("See "), link("https://x/?a=1_2-3"), plain(".\nBye")],
            ),
            (
                "(http://x) ä http://yä",
                vec![plain("("), link("http://x"), plain(") ä "), link("http://y"), plain("ä")],
            ),
            ("javascript:alert(1) ftp://x", vec![plain("javascript:alert(1) ftp://x")]),
            ("http://x\"onclick=\"y", vec![link("http://x"), plain("\"onclick=\"y")]),
        ] {
            assert_eq!(letter(text).stretches(), stretches, "{text:?}");
        }
    }
}
