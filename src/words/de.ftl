# Was Menschen auf Deutsch lesen. Die Schlüssel stehen in der Reihenfolge von en.ftl.

# --- Überall
skip = Zum Inhalt
nav = Seiten
nav-home = Übersicht
nav-requests = Anfragen
nav-access = Zugriff
nav-tokens = Export-Token
nav-keys = API-Schlüssel
nav-account = Konto
nav-staff = Verwaltung
sign-out = Abmelden
signed-in-as = Sie sind angemeldet als { $email }.

moment = { $day }. { $month } { $year }, { $time } UTC
month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember

# Was ein Recht erlaubt, nach „… darf“
right-anyone = sehen, was alle sehen dürfen
right-read = Ihre Daten ansehen
right-get = Ihre Daten herunterladen
right-write = Ihre Daten ändern und löschen
right-admin = Ihre Daten verwalten
right-owner = über Ihre Daten verfügen
# Dasselbe, wo die Daten nicht denen gehören, die es lesen
others-right-anyone = sehen, was alle sehen dürfen
others-right-read = die Daten ansehen
others-right-get = die Daten herunterladen
others-right-write = die Daten ändern und löschen
others-right-admin = die Daten verwalten
others-right-owner = über die Daten verfügen

# --- Wenn etwas nicht ging
problem-title = Das ging nicht
problem-unauthenticated = Sie sind nicht angemeldet.
problem-forbidden = Das dürfen Sie nicht, oder die Seite einer anderen Website hat Sie hergeschickt.
problem-not-found = Hier ist nichts, oder nichts für Sie.
problem-method-not-allowed = So lässt sich diese Seite nicht benutzen.
problem-bad-request = Das Formular war nicht vollständig, oder etwas darin ist nicht lesbar. Nichts wurde geändert.
problem-too-large = Was Sie geschickt haben, ist zu groß. Nichts wurde geändert.
problem-too-slow = Was Sie geschickt haben, kam nicht rechtzeitig an. Nichts wurde geändert.
problem-too-often = Das war zu oft. Nichts wurde geändert; bitte versuchen Sie es später noch einmal.
problem-busy = Der Server ist beschäftigt. Nichts wurde geändert; bitte versuchen Sie es noch einmal.
problem-not-done = Der Server kann das gerade nicht. Nichts wurde geändert; bitte versuchen Sie es noch einmal.
problem-outcome-unknown = Der Server bekam nicht rechtzeitig Antwort: Es kann geschehen sein oder nicht. Bitte sehen Sie nach, bevor Sie es noch einmal versuchen.
problem-broken = Hier ging etwas schief. Es kann geschehen sein oder nicht. Bitte sehen Sie nach, bevor Sie es noch einmal versuchen.
problem-stale = Dieses Formular ist zu alt oder wurde nicht Ihnen gezeigt. Nichts wurde geändert. Bitte öffnen Sie die Seite neu.

# --- Anmelden
sign-in-title = Anmelden
sign-in = Anmelden
sign-in-wrong = E-Mail-Adresse und Passwort passen nicht zusammen.
sign-in-too-often = Das war zu oft. Bitte warten Sie eine Weile, bevor Sie es noch einmal versuchen.
email = E-Mail-Adresse
password = Passwort

# --- Eine Anfrage
redeem-title = Eine Anfrage an Sie
redeem-sign-in = Jemand bittet Sie um eine Erlaubnis. Melden Sie sich an, um zu sehen, wer worum bittet, und um zu entscheiden. Wenn Sie nichts tun, ändert sich nichts.
redeem-intro = Jemand bittet um Ihre Erlaubnis:
rights-intro = Wenn Sie zustimmen, darf diese Person:
rights-given = Diese Person darf:
redeem-until = Sie können entscheiden bis
redeem-ignore = Wenn Sie nichts tun, ändert sich nichts, und die Anfrage verfällt von selbst.
approve = Zustimmen
decline = Ablehnen
redeem-approved-title = Zugestimmt
redeem-approved-words = { $by } hat nun Ihre Erlaubnis: { $bundle }.
redeem-approved-undo = Sie können sie jederzeit zurücknehmen, hier oder unter „Zugriff“.
take-back = Zurücknehmen
redeem-declined-title = Abgelehnt
redeem-declined-words = Nichts wurde erlaubt, und der Link ist geschlossen.
redeem-over-title = Hier ist nichts zu entscheiden
redeem-over-words = Dieser Link wurde schon benutzt, ist abgelaufen, wurde zurückgezogen oder durch einen neueren ersetzt, oder er ist nicht vollständig. Nichts wurde geändert.
redeem-other-title = Dieser Link ist für jemand anderen
redeem-other-words = Die Anfrage hinter diesem Link ging an ein anderes Konto. Nichts wurde geändert. Wenn Sie mehrere haben, melden Sie sich mit dem an, an dessen Adresse die Mail kam.
redeem-ask-again = { $name } noch einmal fragen
redeem-ask-again-subject = Bitte schicken Sie mir Ihre Anfrage noch einmal

# --- Mails
day-and-moment = { $day }, { $moment }
day-1 = Montag
day-2 = Dienstag
day-3 = Mittwoch
day-4 = Donnerstag
day-5 = Freitag
day-6 = Samstag
day-7 = Sonntag
mail-hello = Guten Tag { $name },
mail-no-button = Wenn die Schaltfläche nicht funktioniert, kopieren Sie diese Adresse in Ihren Browser:
# Nach dem Namen derer, die bitten
mail-request-asks = bittet um Ihre Erlaubnis:
mail-request-asks-for = bittet um Ihre Erlaubnis: „{ $bundle }“.
mail-request-subject = { $name } bittet um Ihre Erlaubnis: { $bundle }
mail-request-rights = Wenn Sie zustimmen, darf diese Person:
mail-request-holds = Das gilt, bis Sie es zurücknehmen, und das können Sie jederzeit.
mail-request-button = Anfrage ansehen
mail-request-there = Dort stimmen Sie zu oder lehnen ab, angemeldet als { $email }.
mail-request-open = Um die Anfrage anzusehen und dann zuzustimmen oder sie abzulehnen, öffnen Sie diesen Link und melden Sie sich als { $email } an:
mail-request-once = Der Link gilt einmal, nur für Sie, bis { $until }.
mail-request-ignore = Sie kennen die Person nicht, oder Sie möchten das nicht? Dann tun Sie einfach nichts: Nichts ändert sich, und die Anfrage verfällt von selbst. Wenn Sie sie gleich ablehnen möchten, geht das über denselben Link.
mail-request-sender = Gesendet von { $server }, wo diese Anfrage gestellt wurde.
mail-password-once = Der Link gilt einmal, bis { $until }. Ein neuerer tritt an seine Stelle.
mail-password-sender = Gesendet von { $server }.
mail-first-subject = Ihr neues Konto: Wählen Sie ein Passwort
mail-first-what = Auf { $server } wurde ein Konto für Sie angelegt; Sie melden sich dort als { $email } an.
mail-first-then = Es fehlt nur noch ein Passwort, das Sie selbst wählen.
mail-first-button = Passwort wählen
mail-first-open = Um es zu wählen, öffnen Sie diesen Link:
mail-first-ignore = Sie haben das nicht erwartet? Dann brauchen Sie nichts zu tun: Ohne diesen Link kann niemand das Konto benutzen.
mail-forgotten-subject = Neues Passwort festlegen
mail-forgotten-what = Jemand, vermutlich Sie selbst, hat für { $email } auf { $server } ein neues Passwort angefordert.
mail-forgotten-then = Sobald Sie es festgelegt haben, sind Sie überall abgemeldet, wo Sie angemeldet waren.
mail-forgotten-button = Neues Passwort festlegen
mail-forgotten-open = Um es festzulegen, öffnen Sie diesen Link:
mail-forgotten-ignore = Das waren nicht Sie? Dann brauchen Sie nichts zu tun: Ihr Passwort bleibt, wie es ist, und ohne diesen Link kann es niemand ändern.

# --- Passwörter und das Konto
sign-in-forgotten = Passwort vergessen, oder noch keines?
forgot-title = Ein neues Passwort
forgot-intro = Nennen Sie uns die Adresse Ihres Kontos. Wir schicken eine Mail dorthin, mit einem Link, über den Sie ein Passwort festlegen.
forgot-send = Link schicken
forgot-back = Zurück zur Anmeldung
forgot-sent-title = Sehen Sie in Ihre Mails
forgot-sent-words = Wenn es ein Konto mit dieser Adresse gibt, ist eine Mail mit einem Link dorthin unterwegs. Der Link gilt einmal; wenn Sie noch einen anfordern, gilt der neueste. Es kann einige Minuten dauern, und vielleicht liegt die Mail im Spam-Ordner.
set-password-title = Passwort wählen
set-password-intro = Mit diesem Passwort melden Sie sich künftig an.
set-password-set = Passwort festlegen
set-password-then = Danach sind Sie angemeldet, und überall abgemeldet, wo Sie sonst angemeldet waren.
set-password-over-title = Dieser Link legt kein Passwort fest
set-password-over-words = Er wurde schon benutzt, ist abgelaufen, wurde durch einen neueren ersetzt, oder er ist nicht vollständig. Nichts wurde geändert. Sie können sich jederzeit einen neuen Link schicken lassen.
set-password-over-again = Neuen Link schicken
password-new = Neues Passwort
password-rule = Mindestens 8 Zeichen. Mehrere Wörter, die nur für Sie zusammengehören, sind leicht zu merken und schwer zu erraten.
password-again = Noch einmal dasselbe
password-too-short = Dieses Passwort ist zu kurz. Es braucht mindestens 8 Zeichen.
password-too-long = Dieses Passwort ist zu lang.
password-unusable = Dieses Passwort enthält ein Zeichen, das nicht geht, etwa einen Zeilenumbruch.
password-differs = Das neue Passwort ist nicht beide Male dasselbe.
account-title = Ihr Konto
account-sessions = Wo Sie angemeldet sind
account-this = hier
account-since = Seit
account-from = Von { $address }
account-end = Abmelden
account-end-of = Abmelden: { $client }
account-end-others = Überall sonst abmelden
account-more = { $count ->
    [one] Und noch eine Anmeldung.
   *[other] Und noch { $count } Anmeldungen.
 }
account-password = Passwort ändern
account-current = Bisheriges Passwort
account-wrong-password = Das bisherige Passwort stimmt nicht.
account-password-then = Danach sind Sie überall sonst abgemeldet.
account-change = Passwort ändern
account-done-password = Ihr Passwort ist festgelegt. Überall sonst sind Sie abgemeldet.
account-done-session = Dort sind Sie abgemeldet.
account-done-sessions = Überall sonst sind Sie abgemeldet.
client-on-system = { $client } unter { $system }
client-unknown = Unbekannter Browser

# --- Was jemand in einem Hub ist
role-guest = Gast
role-contributor = Mitwirkend
role-designer = Gestaltend
role-manager = Verwaltend
role-admin = Admin
role-owner = Eigentümer

# --- Administration
staff-nav = Administration
staff-overview = Überblick
staff-users = Personen
staff-hubs = Hubs
staff-bundles = Bündel
staff-mail = Mail
staff-name = Name
staff-first-name = Vorname
staff-last-name = Nachname
staff-description = Beschreibung
staff-state = Zustand
staff-role = Rolle
staff-deed = Was zu tun ist
staff-add = Hinzufügen
staff-save = Speichern
staff-search = Suchen
staff-date = { $day }. { $month }
staff-day = Tag
staff-declined = Abgelehnt
staff-expired = Abgelaufen
staff-error-email = Das ist keine E-Mail-Adresse.
staff-error-email-taken = Diese Adresse ist schon vergeben.
staff-error-person-name = Ein Name hat höchstens 150 Zeichen in einer Zeile.
staff-error-nobody = Diese Adresse hat hier niemand. Fügen Sie die Person zuerst unter „Personen“ hinzu.
staff-error-hub-id = Die Kennung eines Hubs hat 1 bis 64 Zeichen.
staff-error-hub-taken = Einen Hub mit dieser Kennung gibt es schon.
staff-error-name = Ein Name hat höchstens 100 Zeichen in einer Zeile.
staff-error-bundle-name = Der Name eines Bündels hat 1 bis 100 Zeichen in einer Zeile.
staff-error-description = Eine Beschreibung hat höchstens 1.000 Zeichen in einer Zeile.
staff-error-rights = Kreuzen Sie mindestens ein Recht an.

# --- Administration: Überblick
staff-chart-title = Anfragen der letzten 30 Tage
staff-chart-words = Insgesamt: { $asked } gestellt, { $redeemed } zugestimmt, { $declined } abgelehnt, { $expired } abgelaufen, { $dead } Mails abgewiesen. Die Zahlen der einzelnen Tage stehen in der Tabelle darunter.
staff-chart-day = { $date }: { $asked } gestellt, { $redeemed } zugestimmt, { $declined } abgelehnt, { $expired } abgelaufen, { $dead } Mails abgewiesen
staff-chart-empty = Noch hat niemand um etwas gebeten.
staff-chart-most = Höchstens { $count } am Tag
staff-chart-asked = Gestellt
staff-chart-redeemed = Zugestimmt
staff-chart-unmet = Abgelehnt oder abgelaufen
staff-chart-dead = Mails abgewiesen
staff-chart-each = Es sind so viele Anfragen, dass nur jede { $each }. gezählt wurde, für alle { $each }: Die Zahlen sind nahe dran, aber nicht genau.
staff-chart-table = Dasselbe als Tabelle
staff-numbers = Auf einen Blick
staff-number-users = Personen
staff-number-unsent = Mails, die noch zu verschicken sind
staff-number-oldest = Die älteste seit
staff-number-dead = Mails, die der Mailserver abgewiesen hat
staff-number-dead-see = Ansehen
staff-health = Ist alles in Ordnung?
staff-health-database = Datenbank
staff-health-registry = Register
staff-health-mailer = Mailversand
staff-health-well = In Ordnung
staff-health-ill = Nicht in Ordnung

# --- Administration: Personen
staff-users-search = Nach einer Adresse oder einem Namen suchen
staff-users-none = Niemand wurde gefunden.
staff-users-added = Die Person wurde hinzugefügt.
staff-users-disabled = Die Person wurde gesperrt: Die Sitzungen, Schlüssel und Export-Token dieser Person gelten nicht mehr.
staff-users-enabled = Die Person wurde entsperrt.
staff-users-not-yourself = Sich selbst können Sie nicht sperren: Sie könnten es nicht zurücknehmen. Andere in der Administration können es.
staff-user-add = Person hinzufügen
staff-user-staff = Administriert diesen Server
staff-user-staff-hint = Wer administriert, sieht diese Seiten und darf in jedermanns Namen um Erlaubnis bitten.
staff-user-active = Aktiv
staff-user-disabled = Gesperrt
staff-user-is-staff = Administration
staff-user-me = Sie selbst
staff-user-disable = Sperren
staff-user-disable-whom = { $email } sperren
staff-user-enable = Entsperren
staff-user-enable-whom = { $email } entsperren

# --- Administration: Hubs
staff-hubs-intro = Ein Hub ist ein Arbeitsbereich. Wer darin Admin oder Eigentümer ist, kann dort Export-Token ausstellen.
staff-hubs-search = Nach einer Kennung oder einem Namen suchen
staff-hubs-none = Kein Hub wurde gefunden.
staff-hubs-all = Alle Hubs
staff-hub-title = Hub { $id }
staff-hub-add = Hub hinzufügen
staff-hub-id = Kennung
staff-hub-id-hint = Unter ihr kennen Programme und Dateiserver den Hub. Sie lässt sich später nicht ändern.
staff-hub-owner = E-Mail-Adresse der Eigentümerin oder des Eigentümers
staff-hub-none = Hier hat niemand eine Rolle.
staff-hub-give = Rolle geben
staff-hub-give-hint = Wer hier schon eine Rolle hat, bekommt stattdessen diese.
staff-hub-take = Rolle nehmen
staff-hub-take-whose = { $email } die Rolle nehmen
staff-hub-added = Der Hub wurde hinzugefügt.
staff-hub-given = Die Rolle wurde gegeben.
staff-hub-taken = Die Rolle wurde genommen, und mit ihr, was die Export-Token der Person hier dürfen.
staff-hub-had-none = Die Person hatte hier keine Rolle.

# --- Administration: Bündel
staff-bundles-intro = Ein Bündel ist das, worum Menschen einander bitten: Rechte unter einem Namen.
staff-bundles-none = Es gibt noch kein Bündel. Fügen Sie eines hinzu, und man kann einander darum bitten.
staff-bundles-all = Alle Bündel
staff-bundles-added = Das Bündel wurde hinzugefügt.
staff-bundles-changed = Das Bündel wurde geändert.
staff-bundles-deleted = Das Bündel wurde gelöscht.
staff-bundle-title = Bündel { $id }
staff-bundle-add = Bündel hinzufügen
staff-bundle-name-hint = So, wie die Mail es nennt, zum Beispiel „Schlaf“.
staff-bundle-rights = Rechte
staff-bundle-change-hint = Name und Beschreibung lassen sich jederzeit ändern. Die Rechte nicht, solange eine Erlaubnis oder eine offene Anfrage von ihnen handelt: Ihnen haben Menschen zugestimmt.
staff-bundle-rights-in-use = Nichts wurde geändert: Jemand hat diesen Rechten zugestimmt oder wird gerade darum gebeten. Für andere Rechte fügen Sie ein weiteres Bündel hinzu.
staff-bundle-delete = Bündel löschen
staff-bundle-delete-words = Auch vergangene Anfragen nach ihm werden gelöscht. Das lässt sich nicht zurücknehmen.
staff-bundle-in-use = Nichts wurde gelöscht: Jemand hat die Erlaubnis dieses Bündels oder wird gerade darum gebeten.

# --- Administration: Mail
staff-mail-filter = Welche Mails
staff-mail-filter-all = Alle
staff-mail-filter-unsent = Noch nicht verschickt
staff-mail-filter-dead = Abgewiesen
staff-mail-filter-sent = Verschickt
staff-mail-to = An
staff-mail-created = Seit
staff-mail-attempts = Versuche
staff-mail-error = Was der Mailserver sagte
staff-mail-due = nächster Versuch:
staff-mail-retry = Jetzt verschicken
staff-mail-retried = Die Mail ist als nächste an der Reihe.
staff-mail-not-retried = Nichts wurde geändert: Diese Mail lässt sich jetzt nicht verschicken.
staff-mail-none-all = Noch gab es keine Mail.
staff-mail-none-unsent = Keine Mail ist noch zu verschicken.
staff-mail-none-dead = Keine Mail wurde abgewiesen.
staff-mail-none-sent = Noch wurde keine Mail verschickt.
mail-state-waiting = Wartet
mail-state-sending = Wird gerade verschickt
mail-state-sent = Verschickt
mail-state-dead = Abgewiesen
mail-state-cancelled = Nicht mehr nötig

# --- Die Mails eines Servers, der ausprobiert wird
mailbox-title = Postfach
mailbox-intro = Dieser Server hat noch keinen Mailserver: Er schreibt seine Mails in Dateien unter { $directory }. Hier können Sie sie lesen, an wen auch immer sie gehen. Mit einem Mailserver, und für alle anderen, gibt es diese Seite nicht.
mailbox-none = Noch ist keine Mail da. Sie kommt hierher, sobald jemand um etwas bittet.
mailbox-all = Alle Mails
mailbox-subject = Betreff
mailbox-no-subject = (kein Betreff)
mailbox-from = Von
mailbox-to = An
mailbox-at = Am
mailbox-text-only = Das ist der Text der Mail. Mailprogramme zeigen dasselbe als HTML.

# --- Was aus einer Anfrage wurde
timeline-title = Anfrage { $number }
timeline-of = { $allowed } bittet { $target } um diese Erlaubnis.
timeline-of-given = Eine Erlaubnis von { $target } für { $allowed }.
timeline-heading = Was daraus wurde
timeline-staff = Die Verwaltung
timeline-operator = Der Betreiber
timeline-asked = { $who } hat gefragt.
timeline-given = { $who } hat diese Erlaubnis ungefragt gegeben.
timeline-queued = Eine Mail mit einem Link wurde bereitgestellt.
timeline-sent = Der Mailserver hat die Mail angenommen.
timeline-dead = Die Mail wurde endgültig abgelehnt.
timeline-cancelled = Die Mail wurde nicht verschickt: Es gab inzwischen nichts mehr zu entscheiden.
timeline-deferred = Die Mail ließ sich noch nicht verschicken. Der nächste Versuch ist zu dieser Zeit.
timeline-why-mailbox = Das Postfach hat sie nicht angenommen.
timeline-why-server = Der Mailserver hat sie nicht angenommen oder war nicht zu erreichen.
timeline-tries = { $count ->
    [one] Bisher gab es einen Versuch.
   *[other] Bisher gab es { $count } Versuche.
 }
timeline-fetched = { $count ->
    [one] Der Link wurde einmal geöffnet.
   *[other] Der Link wurde { $count }-mal geöffnet, zuletzt zu dieser Zeit.
 }
timeline-fetched-by = Auch Mailprogramme und Virenscanner öffnen Links. Das ändert nichts.
timeline-looked = { $count ->
    [one] { $who } hat sich die Anfrage angesehen.
   *[other] { $who } hat sich die Anfrage { $count }-mal angesehen, zuletzt zu dieser Zeit.
 }
timeline-waits = Bis dahin kann { $who } entscheiden.
timeline-redeemed = { $who } hat zugestimmt.
timeline-declined = { $who } hat abgelehnt.
timeline-withdrawn = { $who } hat die Anfrage zurückgezogen.
timeline-replaced = Eine neuere Anfrage um dasselbe trat an ihre Stelle.
timeline-expired = Die Anfrage verfiel, bevor { $who } entschieden hatte.
timeline-taken-back = { $who } hat die Erlaubnis zurückgenommen.
timeline-returned = { $who } hat die Erlaubnis zurückgegeben.
timeline-over = Die Erlaubnis wurde inzwischen zurückgenommen.
timeline-stands = Die Erlaubnis gilt; sie wurde auch auf anderem Weg gegeben.
timeline-audit = Alle Einträge im Protokoll

# --- Das Protokoll
trail-title = Protokoll
trail-intro = Wer was getan hat, wann und von wo aus. Das Neueste zuerst; Tage sind in UTC.
trail-own-title = Aktivität
trail-own-intro = Was Sie getan haben, und was andere getan haben, das Sie betrifft. Das Neueste zuerst; Tage sind in UTC. Von wo aus Sie selbst hier waren, sehen nur Sie und die Verwaltung.
trail-action = Was getan wurde
trail-any = Alles
trail-person = Von wem (E-Mail-Adresse oder Nummer)
trail-subject = Woran
trail-subject-hint = Zum Beispiel request:12
trail-from = Von diesem Tag
trail-to = Bis zu diesem Tag
trail-search = Suchen
trail-wrong-action = Das kann niemand tun.
trail-wrong-person = Niemand hat diese Adresse oder Nummer.
trail-wrong-from = Das ist kein Tag. Er sollte aussehen wie 2030-01-31.
trail-wrong-to = Das ist kein Tag. Er sollte aussehen wie 2030-01-31.
trail-none = Nichts gefunden. Vielleicht gibt es noch nichts, oder die Suche lässt zu viel aus.
trail-newest = Das Neueste
trail-older = Älteres
trail-you = Sie
trail-stranger = Jemand, der nicht angemeldet war
did-export-created = Ein Export-Token wurde erstellt
did-export-revoked = Ein Export-Token wurde widerrufen
did-request-created = Um eine Erlaubnis wurde gebeten
did-request-resent = Die Mail einer Anfrage wurde noch einmal geschickt
did-request-replaced = Eine Anfrage wurde durch eine neuere ersetzt
did-request-redeemed = Einer Anfrage wurde zugestimmt
did-request-declined = Eine Anfrage wurde abgelehnt
did-request-withdrawn = Eine Anfrage wurde zurückgezogen
did-grant-created = Eine Erlaubnis wurde gegeben
did-grant-deleted = Eine Erlaubnis wurde zurückgenommen oder zurückgegeben
did-block-created = Jemand wurde blockiert
did-block-deleted = Jemand wird nicht mehr blockiert
did-deed-abandoned = Etwas wurde aufgegeben, bevor es geschah
did-user-added = Ein Konto wurde angelegt
did-user-renamed = Ein Name wurde geändert
did-user-password-set = Ein Passwort wurde gesetzt
did-user-password-linked = Ein Link zum Setzen eines Passworts wurde geschickt
did-user-disabled = Ein Konto wurde gesperrt
did-user-enabled = Ein Konto wurde entsperrt
did-session-opened = Jemand hat sich angemeldet
did-session-closed = Jemand hat sich abgemeldet
did-key-created = Ein API-Schlüssel wurde erstellt
did-key-revoked = Ein API-Schlüssel wurde widerrufen
did-hub-added = Ein Hub wurde angelegt
did-hub-granted = Eine Rolle in einem Hub wurde gegeben
did-hub-revoked = Eine Rolle in einem Hub wurde genommen
did-bundle-added = Ein Bündel wurde angelegt
did-bundle-changed = Ein Bündel wurde geändert
did-bundle-deleted = Ein Bündel wurde gelöscht
did-mail-retried = Eine Mail wurde wieder bereitgestellt
did-users-imported = Konten wurden importiert
did-requests-imported = Anfragen wurden importiert
did-records-purged = Was lange vorbei war, wurde gelöscht

# --- Übersicht, und was Listen gemeinsam haben
home-welcome = Guten Tag, { $name }.
home-waiting = Wartet auf Sie
home-nothing = Nichts wartet auf Sie
home-nothing-words = Wenn jemand um Ihre Erlaubnis bittet, finden Sie es hier und in Ihrer Post.
home-until = Sie können entscheiden bis
home-decide = Ansehen und entscheiden
home-block = Keine Anfragen mehr von { $name } annehmen
home-block-words = Alles, worum { $name } Sie bittet, wird abgelehnt, jetzt und künftig. Was Sie erlaubt haben, bleibt. Rückgängig machen können Sie das unter „Anfragen“.
home-block-yes = Keine Anfragen mehr annehmen
home-rest = Alles, was Ihnen gehört
home-asked = Worum Sie gebeten haben
home-asked-count = { $count ->
    [0] Keine Anfrage wartet auf Antwort.
    [one] Eine Anfrage wartet auf Antwort.
   *[other] { $count } Anfragen warten auf Antwort.
}
home-given = Zugriff, den Sie gegeben haben
home-given-count = { $count ->
    [0] Niemand hat Ihre Erlaubnis.
    [one] Sie haben eine Erlaubnis gegeben.
   *[other] Sie haben { $count } Erlaubnisse gegeben.
}
home-received = Zugriff, den Sie haben
home-received-count = { $count ->
    [0] Niemand hat Ihnen etwas erlaubt.
    [one] Sie haben eine Erlaubnis.
   *[other] Sie haben { $count } Erlaubnisse.
}
home-tokens = Export-Token
home-tokens-count = { $count ->
    [0] Kein Token ist gültig.
    [one] Ein Token ist gültig.
   *[other] { $count } Token sind gültig.
}
home-keys = API-Schlüssel
home-keys-count = { $count ->
    [0] Sie haben keine Schlüssel.
    [one] Sie haben einen Schlüssel.
   *[other] Sie haben { $count } Schlüssel.
}
list-nav = Seiten dieser Liste
list-rows = { $first } bis { $last }
list-previous = Zurück
list-next = Weiter
list-where = { $first } bis { $last } von { $total }
list-beyond = So lang ist die Liste nicht.
list-deeds = Was Sie tun können
back = Zurück
copy = Kopieren
copied = Kopiert
secret-once = Kopieren Sie jetzt, was hier steht: Es wird nur dieses eine Mal gezeigt und lässt sich nicht noch einmal zeigen.

done-declined = Abgelehnt. Nichts wurde erlaubt, und der Link ist geschlossen.
done-blocked = Sie nehmen keine Anfragen mehr von dieser Person an. Was sie erbeten hatte, ist abgelehnt.
done-asked = Gefragt. Die Mail ist unterwegs.
done-withdrawn = Zurückgezogen. Der Link in der Mail ist geschlossen.
done-resent = Eine Mail mit demselben Link ist unterwegs.
done-owed = Keine weitere Mail wurde geschickt: Die vorige ist noch unterwegs.
done-unblocked = Diese Person kann Sie wieder fragen.
done-taken-back = Zurückgenommen. Diese Erlaubnis gilt nicht mehr.
done-given-up = Abgegeben. Sie haben diese Erlaubnis nicht mehr.
done-token-revoked = Widerrufen. Das Token öffnet nichts mehr.
done-key-revoked = Widerrufen. Der Schlüssel gilt binnen fünf Sekunden nicht mehr.

# --- Worum jemand gebeten hat
requests-title = Anfragen
requests-lead = Worum Sie andere gebeten haben, und was aus den Mails wurde.
requests-waiting = Sie haben gefragt
requests-none = Sie warten auf niemanden
requests-none-words = Bitten Sie jemanden um eine Erlaubnis: Die Person bekommt eine Mail und entscheidet.
requests-whom = Wen
requests-what = Worum
requests-since = gefragt am
requests-until = Entscheidung bis
requests-mail = Mail
requests-resend = Noch einmal schicken
requests-withdraw = Zurückziehen
requests-withdraw-words = Der Link in der Mail führt dann nirgendwohin.
requests-withdraw-yes = Anfrage zurückziehen
requests-over = Kürzlich beendet
requests-end = Wie
requests-again = Noch einmal fragen
mail-none = Nicht bekannt
mail-queued = In der Warteschlange
mail-sending = Wird verschickt
mail-delayed = Verzögert
mail-sent = Verschickt
mail-refused = Abgewiesen
mail-again = Nächster Versuch am
outcome-redeemed = Zugestimmt, seither zurückgenommen
outcome-stands = Zugestimmt; die Erlaubnis gilt
outcome-given = Erlaubt, seither zurückgenommen
outcome-declined = Abgelehnt
outcome-withdrawn = Zurückgezogen
outcome-replaced = Neu gestellt
outcome-expired = Abgelaufen
blocked-title = Von wem Sie keine Anfragen annehmen
blocked-words = Worum diese Personen Sie bitten, wird sofort abgewiesen.
blocked-whom = Wer
blocked-lift = Wieder annehmen
ask-title = Jemanden fragen
ask-lead = Die Person bekommt eine Mail mit einem Link, meldet sich an und entscheidet. Vorher ist nichts erlaubt.
ask-email = E-Mail-Adresse der Person
ask-bundle = Worum
ask-days = Bedenkzeit in Tagen
ask-days-hint = { $usual }, wenn Sie nichts anderes sagen; höchstens { $most }.
ask-no-days = Die Person hat { $usual } Bedenkzeit.
span-days = { $count ->
    [one] 1 Tag
   *[other] { $count } Tage
 }
span-hours = { $count ->
    [one] 1 Stunde
   *[other] { $count } Stunden
 }
span-minutes = { $count ->
    [one] 1 Minute
   *[other] { $count } Minuten
 }
span-seconds = { $count } Sekunden
ask-send = Fragen
ask-unknown = Niemand mit einem Konto hier hat diese Adresse.
ask-self = Das ist Ihre eigene Adresse.
ask-blocked = Diese Person nimmt von Ihnen keine Anfragen an.
ask-granted = Diese Erlaubnis haben Sie schon.
ask-wrong-bundle = Darum lässt sich nicht mehr bitten. Bitte wählen Sie etwas anderes.
ask-wrong-days = Gebraucht wird eine ganze Zahl von Tagen, nicht mehr als erlaubt.
ask-no-bundles = Es gibt nichts, worum man bitten könnte
ask-no-bundles-words = Wer diesen Server betreibt, hat noch keine Erlaubnisse eingerichtet.

# --- Was erlaubt wurde
access-title = Zugriff
access-what = Was
access-since = Seit
access-given = Zugriff, den Sie gegeben haben
access-given-words = Wer Ihre Erlaubnis hat. Sie können sie jederzeit zurücknehmen.
access-given-who = Wer
access-given-end = Zurücknehmen
access-given-end-words = { $name } hat dann nicht mehr Ihre Erlaubnis: { $bundle }. Dafür wäre eine neue Anfrage nötig.
access-given-none = Niemand hat Ihre Erlaubnis
access-given-none-words = Wenn Sie einer Anfrage zustimmen, finden Sie es hier.
access-received = Zugriff, den Sie haben
access-received-words = Was andere Ihnen erlaubt haben.
access-received-who = Von wem
access-received-end = Abgeben
access-received-end-words = Sie haben dann nicht mehr die Erlaubnis von { $name }: { $bundle }. Dafür müssten Sie neu fragen.
access-received-none = Sie haben noch keine Erlaubnisse
access-received-none-words = Wenn jemand Ihrer Bitte zustimmt, finden Sie es hier.

# --- Export-Token
tokens-title = Export-Token
tokens-lead = Ein Token öffnet eine Sache in einem Hub für alle, die es haben, bis es endet oder Sie es widerrufen.
tokens-none = Sie haben keine Token gemacht
tokens-none-words = Machen Sie eines, um jemanden ohne Konto hereinzulassen.
token-new = Neues Token
token-create = Token machen
token-made = Das Token ist gemacht
token-it = Das Token
token-list = Alle Ihre Token
token-qr = Das Token als QR-Code
token-hub = Hub
token-in-hub = im Hub { $hub }
token-node = Datei oder Ordner
token-node-hint = Die Kennung im Hub, wie der Dateiserver sie nennt.
token-rights = Rechte
token-rights-legend = Wer das Token hat, darf
token-right-anyone = sehen, was alle sehen dürfen
token-right-read = es ansehen
token-right-get = es herunterladen
token-right-write = es ändern und löschen
token-right-admin = es verwalten
token-right-owner = darüber verfügen
token-hours = Bis
token-hours-1 = In einer Stunde
token-hours-24 = In einem Tag
token-hours-168 = In einer Woche
token-hours-720 = In dreißig Tagen
token-hours-8760 = In einem Jahr
token-hours-0 = Nie: bis Sie es widerrufen
token-status = Stand
token-active = Gültig
token-expired = Abgelaufen
token-revoked = Widerrufen
token-until = bis
token-forever = bis Sie es widerrufen
token-uses = Benutzt
token-used = { $count ->
    [0] Nie
    [one] Einmal
   *[other] { $count } Mal
}
token-last = zuletzt am
token-revoke = Widerrufen
token-revoke-words = Wer dieses Token hat, ist sofort ausgesperrt. Das lässt sich nicht rückgängig machen.
token-wrong-hub = Diese Rechte können Sie in diesem Hub nicht geben: Sie müssen dort Admin oder Eigentümer sein und die Rechte selbst haben.
token-wrong-node = Gebraucht wird die Kennung einer Datei oder eines Ordners, höchstens 255 Zeichen.
token-wrong-rights = Bitte wählen Sie mindestens eines.
token-wrong-hours = Bitte wählen Sie eines davon.
token-no-hubs = Sie sind in keinem Hub Admin oder Eigentümer
token-no-hubs-words = Token macht, wer in einem Hub Admin oder Eigentümer ist. Fragen Sie die Person, der er gehört.

# --- API-Schlüssel
keys-title = API-Schlüssel
keys-lead = Mit einem Schlüssel handelt ein Programm für Sie, ohne Ihr Passwort.
keys-none = Sie haben keine API-Schlüssel
keys-none-words = Machen Sie einen für jedes Programm, dann können Sie einen ohne die anderen widerrufen.
key-new = Neuer Schlüssel
key-create = Schlüssel machen
key-made = Der Schlüssel ist gemacht
key-it = Der Schlüssel
key-list = Alle Ihre Schlüssel
key-label = Wofür er ist
key-label-hint = Nur für Sie, damit Sie ihn wiedererkennen.
key-unnamed = Ohne Namen
key-scope = Darf
key-scope-all = Alles, was Sie dürfen
key-scope-all-hint = Für Programme, die für Sie handeln.
key-scope-introspect = Export-Token prüfen, sonst nichts
key-scope-introspect-hint = Für Dateiserver, die fragen, ob ein Token gilt.
key-since = Seit
key-status = Stand
key-active = Gültig
key-revoked = Widerrufen
key-revoke = Widerrufen
key-revoke-words = Was diesen Schlüssel benutzt, ist ausgesperrt. Das lässt sich nicht rückgängig machen.
key-wrong-label = Höchstens 100 Zeichen in einer Zeile.
