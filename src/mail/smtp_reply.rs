//! What a mail server's rejection is about: the recipient's address, or this server.

/// The commands of a session, as they are named in errors.
pub(super) const SESSION: &str = "session";
pub(super) const MAIL_FROM: &str = "MAIL FROM";
pub(super) const RCPT_TO: &str = "RCPT TO";
pub(super) const DATA: &str = "DATA";
pub(super) const CONTENT: &str = "content";

/// Parts of words by which a plain 550 says that it rejects this server, its sender or the moment, or leaves that open.
/// Such a mail is retried: it costs little, and a mail that is given up by mistake is lost.
const NOT_THE_ADDRESS: [&str; 7] = [
    // relaying and authentication
    "relay|rcpthosts|auth|login|log in|sign in|signed in|credential|password|tls|encrypt|certificate|denied|deny",
    "permi|prohibit|forbid|allow|access|refus|licen",
    // this server, its network and its sender
    "client|host|helo|ehlo|dns|ptr|reverse|network|dynamic|sender|from|your|you |domain|verif|spf|dkim|dmarc",
    // policy and content
    "polic|block|black|listed|list |rbl|spam|junk|bulk|virus|abuse|reputation|ban|content|message|restrict|compliance\
     |administrat|security|http|www.",
    // quotas and the moment
    "quota|full|limit|exceed|too many|too much|large|size|rate |throttl|storage|space|disabled|suspend|inactive|locked\
     |frozen|tempor|later|again|grey|gray|try |fail|timeout|timed out|loop|hops|config",
    // no reason
    "reject|welcome|go away|customer|service|internal|error",
    // the same in German
    "absender|verweiger|gesperrt|erlaubt|voll|überschritten|später",
];

/// Whether a rejection of this command says that the recipient's address does not exist. Anything else may concern this
/// server, its configuration, a quota or a block list, which the operator can correct.
pub(super) fn is_unknown_recipient(command: &str, code: u16, text: &str) -> bool {
    if ![RCPT_TO, DATA, CONTENT].contains(&command) {
        return false;
    }
    match enhanced_status(text) {
        // Bad mailbox, bad system, bad syntax, moved without a new address, no mail accepted (RFC 3463, 3.2; RFC 7505:
        // null MX).
        Some(status) => matches!(status, "5.1.1" | "5.1.2" | "5.1.3" | "5.1.6" | "5.1.10"),
        // RFC 5321, 4.2.3: mailbox unavailable. The other codes are used for refused relaying too.
        None => command == RCPT_TO && code == 550 && !mentions_anything_else(text),
    }
}

/// The enhanced status code (RFC 3463) at the start of a reply.
fn enhanced_status(text: &str) -> Option<&str> {
    let first = text.split_whitespace().next()?.trim_matches(|c: char| !c.is_ascii_digit());
    let parts: Vec<&str> = first.split('.').collect();
    let is_number =
        |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(is_number)).then_some(first)
}

fn mentions_anything_else(text: &str) -> bool {
    // The recipient's address says nothing.
    let words: Vec<&str> = text.split_whitespace().filter(|word| !word.contains('@')).collect();
    let text = words.join(" ").to_lowercase() + " ";
    NOT_THE_ADDRESS.iter().flat_map(|parts| parts.split('|')).any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_about_an_address_are_final_and_replies_about_this_server_are_not() {
        for (code, text, is_final) in [
            // Enhanced status codes decide.
            (
                550,
                "5.1.1 <b@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
                true,
            ),
            (550, "5.1.1 The email account that you tried to reach does not exist. Please try", true),
            (550, "#5.1.1 no such user", true),
            (551, "5.1.6 recipient has moved", true),
            (553, "5.1.3 bad recipient address syntax", true),
            (556, "5.1.10 Recipient address has a null MX", true),
            (550, "5.1.2 Bad destination system address", true),
            (550, "5.1.8 Sender address rejected: Domain not found", false),
            (550, "5.1.0 Address rejected", false),
            (550, "5.2.1 The email account that you tried to reach is disabled", false),
            (552, "5.2.2 Mailbox full", false),
            (550, "5.4.5 Daily user sending quota exceeded", false),
            (550, "5.4.1 Recipient address rejected: Access denied", false),
            (554, "5.2.252 SendAsDenied; not allowed to send as", false),
            (550, "5.7.60 SMTP; Client does not have permissions to send as this sender", false),
            (550, "5.7.1 Unable to relay", false),
            (554, "5.7.1 <b@example.org>: Relay access denied", false),
            (554, "5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", false),
            (504, "5.5.2 <box>: Helo command rejected: need fully-qualified hostname", false),
            (530, "5.7.0 Must issue a STARTTLS command first", false),
            // A plain 550 about the mailbox.
            (550, "No such user here", true),
            (550, "no such user", true),
            (550, "<relay@blocked.example>: User unknown", true),
            (550, "Requested action not taken: mailbox unavailable", true),
            (550, "mailbox unavailable", true),
            (550, "Mailbox not found", true),
            (550, "unknown user", true),
            (550, "Unrouteable address", true),
            (550, "Invalid recipient <b@example.org>", true),
            (550, "Recipient not found", true),
            (550, "User does not exist", true),
            (550, "sorry, no mailbox here by that name (#5.1.1)", true),
            (550, "Empfänger unbekannt", true),
            (550, "", true),
            // A plain 550 about this server, or about anything else.
            (550, "relay not permitted", false),
            (550, "Relaying denied", false),
            (550, "we do not relay", false),
            (550, "authentication required", false),
            (550, "Please use SMTP AUTH", false),
            (550, "Administrative prohibition", false),
            (550, "Access denied", false),
            (550, "Sender verify failed", false),
            (550, "rejected due to policy", false),
            (550, "Blocked by Spamhaus", false),
            (550, "192.0.2.1 is in a black list", false),
            (550, "Your IP is not welcome here", false),
            (550, "This looks like spam", false),
            (550, "Message rejected", false),
            (550, "rejected", false),
            (550, "Go away", false),
            (550, "Internal error", false),
            (550, "Mailbox is over quota", false),
            (550, "mailbox full", false),
            (550, "Too many recipients", false),
            (550, "Sending limit reached", false),
            (550, "SPF check failed", false),
            (550, "no reverse DNS", false),
            (550, "HELO is bogus", false),
            (550, "Account suspended", false),
            (550, "Verification failed for <b@example.org>", false),
            (550, "Requested action not taken: mailbox unavailable, see https://example.org/senders", false),
            (550, "Relay-Zugriff verweigert", false),
            // Other codes without a status.
            (554, "relay access denied", false),
            (554, "Transaction failed", false),
            (553, "sorry, that domain isn't in my list of allowed rcpthosts", false),
            (551, "User not local; please try <c@example.net>", false),
            (504, "need fully-qualified hostname", false),
            (521, "example.org does not accept mail", false),
            (450, "mailbox unavailable", false),
            (451, "greylisted", false),
            (421, "too busy", false),
        ] {
            assert_eq!(is_unknown_recipient(RCPT_TO, code, text), is_final, "{code} {text}");
            for command in [SESSION, MAIL_FROM] {
                assert!(!is_unknown_recipient(command, code, text), "{command} {code} {text}");
            }
        }
        assert!(is_unknown_recipient(CONTENT, 550, "5.1.1 no such user"));
        assert!(!is_unknown_recipient(CONTENT, 550, "no such user"), "may be about the content");
    }
}
