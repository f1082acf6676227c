# Was Menschen auf Deutsch lesen. Die Schlüssel stehen in der Reihenfolge von en.ftl.

# --- Überall
skip = Zum Hauptinhalt springen
nav = Hauptnavigation
nav-home = Übersicht
nav-requests = Anfragen
nav-access = Zugriff
nav-tokens = Export-Token
nav-keys = API-Schlüssel
nav-account = Konto
nav-staff = Administration
sign-out = Abmelden
signed-in-as = Sie sind als { $email } angemeldet.

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
right-owner = Ihre Daten vollständig kontrollieren
# Dasselbe, wo die Daten nicht denen gehören, die es lesen
others-right-anyone = sehen, was alle sehen dürfen
others-right-read = die Daten ansehen
others-right-get = die Daten herunterladen
others-right-write = die Daten ändern und löschen
others-right-admin = die Daten verwalten
others-right-owner = die Daten vollständig kontrollieren

# --- Wenn etwas nicht ging
problem-title = Etwas ist schiefgelaufen
problem-unauthenticated = Sie sind nicht angemeldet. Melden Sie sich an und versuchen Sie es erneut.
problem-forbidden = Sie haben keine Berechtigung dafür, oder die Anfrage kam von einer anderen Website. Es wurde nichts geändert.
problem-not-found = Seite nicht gefunden. Sie existiert nicht, oder Sie haben keinen Zugriff darauf.
problem-method-not-allowed = Diese Seite unterstützt diese Aktion nicht. Gehen Sie zurück und versuchen Sie es erneut.
problem-bad-request = Einige Angaben fehlen oder sind ungültig. Es wurde nichts geändert. Gehen Sie zurück, prüfen Sie Ihre Angaben und versuchen Sie es erneut.
problem-too-large = Die gesendeten Daten sind zu groß. Es wurde nichts geändert.
problem-too-slow = Die Verbindung war zu langsam. Es wurde nichts geändert. Versuchen Sie es erneut.
problem-too-often = Zu viele Anfragen. Es wurde nichts geändert. Versuchen Sie es in einigen Minuten erneut.
problem-busy = Der Server ist ausgelastet. Es wurde nichts geändert. Versuchen Sie es gleich noch einmal.
problem-not-done = Der Dienst ist derzeit nicht verfügbar. Es wurde nichts geändert. Versuchen Sie es in einigen Minuten erneut.
problem-outcome-unknown = Der Server hat nicht rechtzeitig geantwortet. Ihre Änderung wurde möglicherweise gespeichert. Prüfen Sie das, bevor Sie es erneut versuchen.
problem-broken = Bei uns ist ein Fehler aufgetreten. Ihre Änderung wurde möglicherweise gespeichert. Prüfen Sie das, bevor Sie es erneut versuchen.
problem-stale = Dieses Formular ist abgelaufen. Es wurde nichts geändert. Laden Sie die Seite neu und versuchen Sie es erneut.

# --- Anmelden
sign-in-title = Anmelden
sign-in = Anmelden
sign-in-wrong = E-Mail-Adresse oder Passwort ist falsch.
sign-in-too-often = Zu viele Versuche. Versuchen Sie es in einigen Minuten erneut.
email = E-Mail-Adresse
password = Passwort

# --- Eine Anfrage
redeem-title = Berechtigungsanfrage
redeem-sign-in = Jemand bittet Sie um eine Berechtigung. Melden Sie sich an, um die Anfrage anzusehen und sie zu genehmigen oder abzulehnen. Wenn Sie nichts tun, ändert sich nichts.
redeem-intro = Jemand bittet Sie um eine Berechtigung:
rights-intro = Wenn Sie genehmigen, darf diese Person:
rights-given = Diese Person darf:
redeem-until = Diese Anfrage läuft ab am
redeem-ignore = Wenn Sie nichts tun, ändert sich nichts und die Anfrage läuft ab.
approve = Genehmigen
decline = Ablehnen
redeem-approved-title = Anfrage genehmigt
redeem-approved-words = { $by } hat jetzt Ihre Berechtigung: { $bundle }.
redeem-approved-undo = Sie können diese Berechtigung jederzeit widerrufen, hier oder unter „Zugriff“.
take-back = Berechtigung widerrufen
redeem-declined-title = Anfrage abgelehnt
redeem-declined-words = Es wurde keine Berechtigung erteilt, und der Link funktioniert nicht mehr.
redeem-over-title = Dieser Link ist ungültig
redeem-over-words = Der Link wurde bereits verwendet, ist abgelaufen, wurde zurückgezogen, durch einen neueren ersetzt oder ist unvollständig. Es wurde nichts geändert.
redeem-other-title = Dieser Link ist für ein anderes Konto
redeem-other-words = Diese Anfrage wurde an ein anderes Konto gesendet. Es wurde nichts geändert. Wenn Sie mehrere Konten haben, melden Sie sich mit der E-Mail-Adresse an, die die Anfrage erhalten hat.
redeem-ask-again = { $name } um eine neue Anfrage bitten
redeem-ask-again-subject = Bitte senden Sie mir eine neue Berechtigungsanfrage

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
mail-no-button = Wenn die Schaltfläche nicht funktioniert, kopieren Sie diesen Link in Ihren Browser:
# Nach dem Namen derer, die bitten
mail-request-asks = bittet Sie um eine Berechtigung:
mail-request-asks-for = bittet Sie um eine Berechtigung: „{ $bundle }“.
mail-request-subject = { $name } bittet Sie um eine Berechtigung: { $bundle }
mail-request-rights = Wenn Sie genehmigen, darf diese Person:
mail-request-holds = Sie können die Berechtigung jederzeit widerrufen.
mail-request-button = Anfrage ansehen
mail-request-there = Zum Genehmigen oder Ablehnen melden Sie sich als { $email } an.
mail-request-open = Um die Anfrage anzusehen und sie dann zu genehmigen oder abzulehnen, öffnen Sie diesen Link und melden Sie sich als { $email } an:
mail-request-once = Der Link funktioniert einmal und nur für Sie. Die Anfrage läuft ab am { $until }.
mail-request-ignore = Sie kennen diese Person nicht oder möchten keine Berechtigung erteilen? Dann können Sie diese E-Mail ignorieren: Es ändert sich nichts, und die Anfrage läuft ab. Sie können den Link auch öffnen und die Anfrage ablehnen.
mail-request-sender = Gesendet von { $server }, wo diese Anfrage erstellt wurde.
mail-password-once = Der Link funktioniert einmal und läuft ab am { $until }. Wenn Sie einen weiteren anfordern, gilt nur der neueste.
mail-password-sender = Gesendet von { $server }.
mail-first-subject = Richten Sie Ihr Konto ein
mail-first-what = Auf { $server } wurde ein Konto für Sie erstellt. Sie melden sich als { $email } an.
mail-first-then = Legen Sie ein Passwort fest, um es zu nutzen.
mail-first-button = Passwort festlegen
mail-first-open = Um ein Passwort festzulegen, öffnen Sie diesen Link:
mail-first-ignore = Wenn Sie diese E-Mail nicht erwartet haben, können Sie sie ignorieren. Ohne diesen Link kann niemand das Konto nutzen.
mail-forgotten-subject = Neues Passwort festlegen
mail-forgotten-what = Für { $email } auf { $server } wurde angefordert, das Passwort zurückzusetzen.
mail-forgotten-then = Sobald Sie ein neues Passwort festgelegt haben, sind Sie auf allen Geräten abgemeldet.
mail-forgotten-button = Passwort zurücksetzen
mail-forgotten-open = Um Ihr Passwort zurückzusetzen, öffnen Sie diesen Link:
mail-forgotten-ignore = Wenn Sie das nicht angefordert haben, können Sie diese E-Mail ignorieren. Ihr Passwort bleibt unverändert, und ohne diesen Link kann es niemand ändern.

# --- Passwörter und das Konto
sign-in-forgotten = Passwort vergessen?
forgot-title = Passwort zurücksetzen
forgot-intro = Geben Sie die E-Mail-Adresse Ihres Kontos ein. Wir senden Ihnen einen Link, mit dem Sie ein neues Passwort festlegen. Das geht auch, wenn Sie noch kein Passwort haben.
forgot-send = Link senden
forgot-back = Zurück zur Anmeldung
forgot-sent-title = Prüfen Sie Ihr Postfach
forgot-sent-words = Wenn es ein Konto mit dieser Adresse gibt, haben wir einen Link zum Festlegen eines neuen Passworts dorthin gesendet. Der Link funktioniert einmal. Wenn Sie einen weiteren anfordern, gilt nur der neueste. Es kann einige Minuten dauern, bis die E-Mail ankommt. Sehen Sie auch im Spam-Ordner nach.
set-password-title = Passwort festlegen
set-password-intro = Mit diesem Passwort melden Sie sich künftig an.
set-password-set = Passwort speichern
set-password-then = Mit dem Speichern werden Sie hier angemeldet und auf allen anderen Geräten abgemeldet.
set-password-over-title = Dieser Link ist ungültig
set-password-over-words = Der Link wurde bereits verwendet, ist abgelaufen, wurde durch einen neueren ersetzt oder ist unvollständig. Es wurde nichts geändert. Sie können jederzeit einen neuen Link anfordern.
set-password-over-again = Neuen Link senden
password-new = Neues Passwort
password-rule = Mindestens 8 Zeichen. Mehrere Wörter ohne Zusammenhang sind leicht zu merken und schwer zu erraten.
password-again = Neues Passwort bestätigen
password-too-short = Das Passwort ist zu kurz. Verwenden Sie mindestens 8 Zeichen.
password-too-long = Das Passwort ist zu lang. Verwenden Sie ein kürzeres.
password-unusable = Das Passwort enthält ein unzulässiges Zeichen, zum Beispiel einen Zeilenumbruch. Entfernen Sie es und versuchen Sie es erneut.
password-differs = Die Passwörter stimmen nicht überein. Geben Sie zweimal dasselbe Passwort ein.
account-title = Ihr Konto
account-sessions = Angemeldete Geräte
account-this = Dieses Gerät
account-since = Angemeldet am
account-from = IP-Adresse { $address }
account-end = Abmelden
account-end-of = Abmelden: { $client }
account-end-others = Auf allen anderen Geräten abmelden
account-more = { $count ->
    [one] Und 1 weiteres Gerät.
   *[other] Und { $count } weitere Geräte.
 }
account-password = Passwort ändern
account-current = Aktuelles Passwort
account-wrong-password = Das aktuelle Passwort ist falsch. Versuchen Sie es erneut.
account-password-then = Mit dem Ändern werden Sie auf allen anderen Geräten abgemeldet.
account-change = Passwort ändern
account-done-password = Ihr Passwort wurde geändert. Auf allen anderen Geräten sind Sie abgemeldet.
account-done-session = Das Gerät wurde abgemeldet.
account-done-sessions = Sie sind auf allen anderen Geräten abgemeldet.
client-on-system = { $client } unter { $system }
client-unknown = Unbekannter Browser

# --- Was jemand in einem Hub ist
role-guest = Gast
role-contributor = Mitwirkende Person
role-designer = Designer
role-manager = Manager
role-admin = Admin
role-owner = Eigentümer

# --- Administration
staff-nav = Administration
staff-overview = Übersicht
staff-users = Benutzer
staff-hubs = Hubs
staff-bundles = Pakete
staff-mail = E-Mail
staff-name = Name
staff-first-name = Vorname
staff-last-name = Nachname
staff-description = Beschreibung
staff-state = Status
staff-role = Rolle
staff-deed = Aktionen
staff-add = Hinzufügen
staff-save = Speichern
staff-search = Suchen
staff-date = { $day }. { $month }
staff-day = Tag
staff-declined = Abgelehnt
staff-expired = Abgelaufen
staff-error-email = Geben Sie eine gültige E-Mail-Adresse ein, zum Beispiel name@example.com.
staff-error-email-taken = Es gibt bereits einen Benutzer mit dieser E-Mail-Adresse.
staff-error-person-name = Geben Sie einen einzeiligen Namen mit höchstens 150 Zeichen ein.
staff-error-nobody = Kein Benutzer hat diese E-Mail-Adresse. Fügen Sie den Benutzer zuerst unter „Benutzer“ hinzu.
staff-error-hub-id = Geben Sie eine ID mit 1 bis 64 Zeichen ein.
staff-error-hub-taken = Es gibt bereits einen Hub mit dieser ID. Wählen Sie eine andere ID.
staff-error-name = Geben Sie einen einzeiligen Namen mit höchstens 100 Zeichen ein.
staff-error-bundle-name = Geben Sie einen einzeiligen Namen mit 1 bis 100 Zeichen ein.
staff-error-description = Geben Sie eine einzeilige Beschreibung mit höchstens 1.000 Zeichen ein.
staff-error-rights = Wählen Sie mindestens ein Recht aus.

# --- Administration: Überblick
staff-chart-title = Anfragen der letzten 30 Tage
staff-chart-words = Insgesamt: { $asked } erstellt, { $redeemed } genehmigt, { $declined } abgelehnt, { $expired } abgelaufen, { $dead } E-Mails abgewiesen. Die Tabelle unten zeigt die Zahlen für jeden Tag.
staff-chart-day = { $date }: { $asked } erstellt, { $redeemed } genehmigt, { $declined } abgelehnt, { $expired } abgelaufen, { $dead } E-Mails abgewiesen
staff-chart-empty = Noch keine Anfragen.
staff-chart-most = Maximum: { $count } pro Tag
staff-chart-asked = Erstellt
staff-chart-redeemed = Genehmigt
staff-chart-unmet = Abgelehnt oder abgelaufen
staff-chart-dead = E-Mails abgewiesen
staff-chart-each = Diese Zahlen sind geschätzt: Jede { $each }. Anfrage wurde gezählt und das Ergebnis mit { $each } multipliziert.
staff-chart-table = Als Tabelle anzeigen
staff-numbers = Auf einen Blick
staff-number-users = Benutzer
staff-number-unsent = E-Mails in der Warteschlange
staff-number-oldest = Älteste seit
staff-number-dead = Abgewiesene E-Mails
staff-number-dead-see = Abgewiesene E-Mails ansehen
staff-health = Systemstatus
staff-health-database = Datenbank
staff-health-registry = Registry
staff-health-mailer = E-Mail-Versand
staff-health-well = Funktioniert
staff-health-ill = Gestört

# --- Administration: Personen
staff-users-search = Nach E-Mail-Adresse oder Name suchen
staff-users-none = Keine Benutzer gefunden.
staff-users-added = Benutzer hinzugefügt.
staff-users-disabled = Benutzer deaktiviert. Sitzungen, API-Schlüssel und Export-Token dieses Benutzers funktionieren nicht mehr.
staff-users-enabled = Benutzer aktiviert.
staff-users-not-yourself = Sie können Ihr eigenes Konto nicht deaktivieren. Wenden Sie sich an einen anderen Administrator.
staff-user-add = Benutzer hinzufügen
staff-user-staff = Administrator
staff-user-staff-hint = Administratoren sehen diese Seiten und können Berechtigungsanfragen im Namen jedes Benutzers erstellen.
staff-user-active = Aktiv
staff-user-disabled = Deaktiviert
staff-user-is-staff = Administrator
staff-user-me = Sie
staff-user-disable = Deaktivieren
staff-user-disable-whom = { $email } deaktivieren
staff-user-enable = Aktivieren
staff-user-enable-whom = { $email } aktivieren

# --- Administration: Hubs
staff-hubs-intro = Ein Hub ist ein Arbeitsbereich. Seine Admins und sein Eigentümer können Export-Token erstellen.
staff-hubs-search = Nach ID oder Name suchen
staff-hubs-none = Keine Hubs gefunden.
staff-hubs-all = Alle Hubs
staff-hub-title = Hub { $id }
staff-hub-add = Hub hinzufügen
staff-hub-id = ID
staff-hub-id-hint = Clients und Dateiserver verwenden diese ID. Sie lässt sich später nicht ändern.
staff-hub-owner = E-Mail-Adresse des Eigentümers
staff-hub-none = Dieser Hub hat keine Mitglieder.
staff-hub-give = Rolle zuweisen
staff-hub-give-hint = Wenn der Benutzer in diesem Hub bereits eine Rolle hat, wird sie ersetzt.
staff-hub-take = Rolle entfernen
staff-hub-take-whose = Rolle von { $email } entfernen
staff-hub-added = Hub hinzugefügt.
staff-hub-given = Rolle zugewiesen.
staff-hub-taken = Rolle entfernt. Die Export-Token des Benutzers für diesen Hub funktionieren nicht mehr.
staff-hub-had-none = Dieser Benutzer hat keine Rolle in diesem Hub. Es wurde nichts geändert.

# --- Administration: Bündel
staff-bundles-intro = Ein Paket ist eine benannte Gruppe von Rechten, um die Benutzer einander bitten können.
staff-bundles-none = Noch keine Pakete. Fügen Sie eines hinzu, damit Benutzer um Berechtigungen bitten können.
staff-bundles-all = Alle Pakete
staff-bundles-added = Paket hinzugefügt.
staff-bundles-changed = Paket gespeichert.
staff-bundles-deleted = Paket gelöscht.
staff-bundle-title = Paket { $id }
staff-bundle-add = Paket hinzufügen
staff-bundle-name-hint = Dieser Name erscheint in E-Mails, zum Beispiel „Schlaf“.
staff-bundle-rights = Rechte
staff-bundle-change-hint = Name und Beschreibung können Sie jederzeit ändern. Die Rechte können Sie nicht ändern, solange das Paket zu einer aktiven Berechtigung oder einer offenen Anfrage gehört.
staff-bundle-rights-in-use = Es wurde nichts geändert. Diese Rechte gehören zu einer aktiven Berechtigung oder einer offenen Anfrage. Wenn Sie andere Rechte anbieten möchten, fügen Sie ein weiteres Paket hinzu.
staff-bundle-delete = Paket löschen
staff-bundle-delete-words = Damit werden auch alle früheren Anfragen für dieses Paket gelöscht. Das lässt sich nicht rückgängig machen.
staff-bundle-in-use = Es wurde nichts gelöscht. Dieses Paket gehört zu einer aktiven Berechtigung oder einer offenen Anfrage.

# --- Administration: Mail
staff-mail-filter = E-Mails filtern
staff-mail-filter-all = Alle
staff-mail-filter-unsent = In der Warteschlange
staff-mail-filter-dead = Abgewiesen
staff-mail-filter-sent = Gesendet
staff-mail-to = An
staff-mail-created = Erstellt
staff-mail-attempts = Versuche
staff-mail-error = Letzter Fehler
staff-mail-due = Nächster Versuch:
staff-mail-retry = Jetzt senden
staff-mail-retried = Die E-Mail ist die nächste in der Warteschlange.
staff-mail-not-retried = Es wurde nichts geändert. Diese E-Mail kann jetzt nicht gesendet werden: Sie wurde bereits gesendet, wird gerade gesendet oder wurde storniert.
staff-mail-none-all = Noch keine E-Mails.
staff-mail-none-unsent = Keine E-Mails in der Warteschlange.
staff-mail-none-dead = Keine abgewiesenen E-Mails.
staff-mail-none-sent = Noch keine E-Mails gesendet.
mail-state-waiting = In der Warteschlange
mail-state-sending = Wird gesendet
mail-state-sent = Gesendet
mail-state-dead = Abgewiesen
mail-state-cancelled = Storniert

# --- Die Mails eines Servers, der ausprobiert wird
mailbox-title = Postfach
mailbox-intro = Für diesen Server ist kein SMTP-Server konfiguriert. Er speichert E-Mails als Dateien in { $directory }, und diese Seite zeigt sie alle. Nur Personen an diesem Computer können diese Seite sehen. Sie verschwindet, sobald Sie einen SMTP-Server konfigurieren.
mailbox-none = Noch keine E-Mails. Hier erscheint eine E-Mail, sobald jemand um eine Berechtigung bittet.
mailbox-all = Alle E-Mails
mailbox-subject = Betreff
mailbox-no-subject = (kein Betreff)
mailbox-from = Von
mailbox-to = An
mailbox-at = Datum
mailbox-text-only = Das ist die Nur-Text-Version. E-Mail-Programme zeigen denselben Inhalt als HTML.

# --- Was aus einer Anfrage wurde
timeline-title = Anfrage { $number }
timeline-of = { $allowed } bittet { $target } um diese Berechtigung.
timeline-of-given = { $target } hat { $allowed } diese Berechtigung erteilt.
timeline-heading = Verlauf
timeline-staff = Ein Administrator
timeline-operator = Der Serverbetreiber
timeline-asked = { $who } hat die Anfrage erstellt.
timeline-given = { $who } hat diese Berechtigung direkt erteilt, ohne Anfrage.
timeline-queued = Eine E-Mail mit dem Link wurde in die Warteschlange gestellt.
timeline-sent = Die E-Mail wurde gesendet.
timeline-dead = Die E-Mail wurde abgewiesen und wird nicht noch einmal gesendet.
timeline-cancelled = Die E-Mail wurde storniert, weil die Anfrage bereits geschlossen war.
timeline-deferred = Die E-Mail konnte nicht gesendet werden. Der nächste Versuch ist zu diesem Zeitpunkt.
timeline-why-mailbox = Das Postfach des Empfängers hat sie nicht angenommen.
timeline-why-server = Der Mailserver hat sie nicht angenommen oder war nicht erreichbar.
timeline-tries = { $count ->
    [one] Bisher 1 Versuch.
   *[other] Bisher { $count } Versuche.
 }
timeline-fetched = { $count ->
    [one] Der Link wurde einmal geöffnet.
   *[other] Der Link wurde { $count }-mal geöffnet, zuletzt zu diesem Zeitpunkt.
 }
timeline-fetched-by = Auch E-Mail-Programme und Virenscanner öffnen Links. Das ändert nichts an der Anfrage.
timeline-looked = { $count ->
    [one] { $who } hat die Anfrage angesehen.
   *[other] { $who } hat die Anfrage { $count }-mal angesehen, zuletzt zu diesem Zeitpunkt.
 }
timeline-waits = Die Anfrage läuft zu diesem Zeitpunkt ab, wenn { $who } nicht vorher entscheidet.
timeline-redeemed = { $who } hat die Anfrage genehmigt.
timeline-declined = { $who } hat die Anfrage abgelehnt.
timeline-withdrawn = { $who } hat die Anfrage zurückgezogen.
timeline-replaced = Diese Anfrage wurde durch eine neuere für dieselbe Berechtigung ersetzt.
timeline-expired = Die Anfrage lief ab, bevor { $who } entschieden hat.
timeline-taken-back = { $who } hat die Berechtigung widerrufen.
timeline-returned = { $who } hat auf die Berechtigung verzichtet.
timeline-over = Die Berechtigung wurde inzwischen widerrufen.
timeline-stands = Die Berechtigung ist aktiv. Sie wurde auch auf anderem Weg erteilt.
timeline-audit = Im Audit-Log ansehen

# --- Das Protokoll
trail-title = Audit-Log
trail-intro = Wer was wann und von wo aus getan hat. Neueste zuerst. Datumsangaben in UTC.
trail-own-title = Aktivität
trail-own-intro = Was Sie getan haben und was andere getan haben, das Sie betrifft. Neueste zuerst. Datumsangaben in UTC. Die IP-Adressen Ihrer eigenen Aktivität sehen nur Sie und Administratoren.
trail-action = Aktion
trail-any = Alle Aktionen
trail-person = Benutzer (E-Mail-Adresse oder Nummer)
trail-subject = Betrifft
trail-subject-hint = Zum Beispiel request:12
trail-from = Von Datum
trail-to = Bis Datum
trail-search = Suchen
trail-wrong-action = Unbekannte Aktion. Wählen Sie eine aus der Liste.
trail-wrong-person = Kein Benutzer hat diese E-Mail-Adresse oder Nummer.
trail-wrong-from = Geben Sie ein Datum wie 2030-01-31 ein.
trail-wrong-to = Geben Sie ein Datum wie 2030-01-31 ein.
trail-none = Keine Einträge gefunden. Versuchen Sie es mit einer anderen Suche.
trail-newest = Neueste
trail-older = Ältere
trail-you = Sie
trail-stranger = Jemand ohne Anmeldung
did-export-created = Export-Token erstellt
did-export-revoked = Export-Token widerrufen
did-request-created = Anfrage erstellt
did-request-resent = E-Mail zur Anfrage erneut gesendet
did-request-replaced = Anfrage durch eine neuere ersetzt
did-request-redeemed = Anfrage genehmigt
did-request-declined = Anfrage abgelehnt
did-request-withdrawn = Anfrage zurückgezogen
did-grant-created = Berechtigung erteilt
did-grant-deleted = Berechtigung widerrufen oder zurückgegeben
did-block-created = Benutzer blockiert
did-block-deleted = Blockierung aufgehoben
did-deed-abandoned = Vorgang vor dem Abschluss abgebrochen
did-user-added = Benutzer hinzugefügt
did-user-renamed = Name eines Benutzers geändert
did-user-password-set = Passwort festgelegt
did-user-password-linked = Link zum Festlegen des Passworts gesendet
did-user-disabled = Benutzer deaktiviert
did-user-enabled = Benutzer aktiviert
did-session-opened = Angemeldet
did-session-closed = Abgemeldet
did-key-created = API-Schlüssel erstellt
did-key-revoked = API-Schlüssel widerrufen
did-hub-added = Hub hinzugefügt
did-hub-granted = Rolle im Hub zugewiesen
did-hub-revoked = Rolle im Hub entfernt
did-bundle-added = Paket hinzugefügt
did-bundle-changed = Paket geändert
did-bundle-deleted = Paket gelöscht
did-mail-retried = E-Mail erneut in die Warteschlange gestellt
did-users-imported = Benutzer importiert
did-requests-imported = Anfragen importiert
did-records-purged = Alte Datensätze gelöscht

# --- Übersicht, und was Listen gemeinsam haben
home-welcome = Guten Tag, { $name }.
home-waiting = Wartet auf Sie
home-nothing = Keine Anfragen warten auf Sie
home-nothing-words = Wenn jemand Sie um eine Berechtigung bittet, erscheint die Anfrage hier und in Ihrem E-Mail-Postfach.
home-until = Diese Anfrage läuft ab am
home-decide = Anfrage ansehen
home-block = Anfragen von { $name } blockieren
home-block-words = Offene Anfragen von { $name } werden abgelehnt, und { $name } kann Ihnen keine neuen senden. Erteilte Berechtigungen bleiben aktiv. Sie können die Blockierung von { $name } unter „Anfragen“ aufheben.
home-block-yes = Anfragen blockieren
home-rest = Ihr Konto im Überblick
home-asked = Ihre Anfragen
home-asked-count = { $count ->
    [0] Keine offenen Anfragen.
    [one] 1 offene Anfrage.
   *[other] { $count } offene Anfragen.
}
home-given = Erteilte Berechtigungen
home-given-count = { $count ->
    [0] Keine aktiven Berechtigungen.
    [one] 1 aktive Berechtigung.
   *[other] { $count } aktive Berechtigungen.
}
home-received = Erhaltene Berechtigungen
home-received-count = { $count ->
    [0] Keine aktiven Berechtigungen.
    [one] 1 aktive Berechtigung.
   *[other] { $count } aktive Berechtigungen.
}
home-tokens = Export-Token
home-tokens-count = { $count ->
    [0] Keine aktiven Token.
    [one] 1 aktives Token.
   *[other] { $count } aktive Token.
}
home-keys = API-Schlüssel
home-keys-count = { $count ->
    [0] Keine aktiven API-Schlüssel.
    [one] 1 aktiver API-Schlüssel.
   *[other] { $count } aktive API-Schlüssel.
}
list-nav = Seitennavigation
list-rows = { $first } bis { $last }
list-previous = Zurück
list-next = Weiter
list-where = { $first } bis { $last } von { $total }
list-beyond = Es gibt keine weiteren Einträge. Gehen Sie zur vorherigen Seite zurück.
list-deeds = Aktionen
back = Zurück
copy = Kopieren
copied = Kopiert
secret-once = Kopieren Sie es jetzt. Sie können es nicht noch einmal ansehen.

done-declined = Anfrage abgelehnt. Es wurde keine Berechtigung erteilt.
done-blocked = Benutzer blockiert. Offene Anfragen dieses Benutzers wurden abgelehnt.
done-asked = Anfrage erstellt. Die E-Mail wird in Kürze gesendet.
done-withdrawn = Anfrage zurückgezogen. Der Link in der E-Mail funktioniert nicht mehr.
done-resent = Die E-Mail wird mit demselben Link noch einmal gesendet.
done-owed = Es wurde keine neue E-Mail gesendet. Die vorherige ist noch in der Warteschlange.
done-unblocked = Blockierung aufgehoben. Dieser Benutzer kann Ihnen wieder Anfragen senden.
done-taken-back = Berechtigung widerrufen.
done-given-up = Sie haben auf diese Berechtigung verzichtet.
done-token-revoked = Token widerrufen. Es funktioniert nicht mehr.
done-key-revoked = API-Schlüssel widerrufen. Er funktioniert in spätestens 5 Sekunden nicht mehr.

# --- Worum jemand gebeten hat
requests-title = Anfragen
requests-lead = Berechtigungen, um die Sie andere Benutzer gebeten haben.
requests-waiting = Offen
requests-none = Keine offenen Anfragen
requests-none-words = Bitten Sie um eine Berechtigung. Die andere Person erhält eine E-Mail und kann genehmigen oder ablehnen.
requests-whom = Benutzer
requests-what = Berechtigung
requests-since = Angefragt am
requests-until = Läuft ab am
requests-mail = E-Mail
requests-resend = E-Mail erneut senden
requests-withdraw = Zurückziehen
requests-withdraw-words = Der Link in der E-Mail funktioniert dann nicht mehr.
requests-withdraw-yes = Anfrage zurückziehen
requests-over = Kürzlich geschlossen
requests-end = Ergebnis
requests-again = Erneut anfragen
mail-none = Unbekannt
mail-queued = In der Warteschlange
mail-sending = Wird gesendet
mail-delayed = Verzögert
mail-sent = Gesendet
mail-refused = Abgewiesen
mail-again = Nächster Versuch am
outcome-redeemed = Genehmigt, inzwischen widerrufen
outcome-stands = Genehmigt, aktiv
outcome-given = Direkt erteilt, inzwischen widerrufen
outcome-declined = Abgelehnt
outcome-withdrawn = Zurückgezogen
outcome-replaced = Ersetzt
outcome-expired = Abgelaufen
blocked-title = Blockierte Benutzer
blocked-words = Diese Benutzer können Ihnen keine Anfragen senden.
blocked-whom = Benutzer
blocked-lift = Blockierung aufheben
ask-title = Berechtigung anfragen
ask-lead = Die andere Person erhält eine E-Mail mit einem Link, meldet sich an und genehmigt oder lehnt ab. Vorher erhalten Sie keinen Zugriff.
ask-email = E-Mail-Adresse der anderen Person
ask-bundle = Berechtigung
ask-days = Läuft ab nach (Tagen)
ask-days-hint = { $usual }, wenn Sie nichts eingeben; höchstens { $most }.
ask-no-days = Gültigkeit der Anfrage: { $usual }.
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
ask-send = Anfrage senden
ask-unknown = Es gibt kein Konto mit dieser E-Mail-Adresse. Prüfen Sie die Adresse.
ask-self = Das ist Ihre eigene E-Mail-Adresse. Geben Sie die Adresse einer anderen Person ein.
ask-blocked = Dieser Benutzer nimmt keine Anfragen von Ihnen an.
ask-granted = Sie haben diese Berechtigung bereits.
ask-wrong-bundle = Diese Berechtigung ist nicht mehr verfügbar. Wählen Sie eine andere.
ask-wrong-days = Geben Sie eine ganze Zahl von Tagen im zulässigen Bereich ein.
ask-no-bundles = Keine Berechtigungen verfügbar
ask-no-bundles-words = Ein Administrator muss zuerst Berechtigungen einrichten.

# --- Was erlaubt wurde
access-title = Zugriff
access-what = Berechtigung
access-since = Aktiv seit
access-given = Erteilte Berechtigungen
access-given-words = Diese Benutzer haben Ihre Berechtigung. Sie können sie jederzeit widerrufen.
access-given-who = Benutzer
access-given-end = Widerrufen
access-given-end-words = { $name } hat dann nicht mehr Ihre Berechtigung: { $bundle }. Um sie wieder zu erhalten, muss { $name } Ihnen eine neue Anfrage senden.
access-given-none = Sie haben keine Berechtigungen erteilt
access-given-none-words = Wenn Sie eine Anfrage genehmigen, erscheint die Berechtigung hier.
access-received = Erhaltene Berechtigungen
access-received-words = Diese Benutzer haben Ihnen eine Berechtigung erteilt.
access-received-who = Benutzer
access-received-end = Verzichten
access-received-end-words = Sie haben dann nicht mehr diese Berechtigung von { $name }: { $bundle }. Um sie wieder zu erhalten, müssen Sie eine neue Anfrage senden.
access-received-none = Sie haben noch keine Berechtigungen
access-received-none-words = Wenn jemand Ihre Anfrage genehmigt, erscheint die Berechtigung hier.

# --- Export-Token
tokens-title = Export-Token
tokens-lead = Ein Export-Token gibt jedem, der es hat, Zugriff auf eine Datei oder einen Ordner in einem Hub, bis es abläuft oder Sie es widerrufen.
tokens-none = Noch keine Export-Token
tokens-none-words = Erstellen Sie ein Token, um eine Datei oder einen Ordner mit jemandem ohne Konto zu teilen.
token-new = Neues Token
token-create = Token erstellen
token-made = Token erstellt
token-it = Token
token-list = Alle Token
token-qr = QR-Code des Tokens
token-hub = Hub
token-in-hub = im Hub { $hub }
token-node = Datei oder Ordner
token-node-hint = Die ID der Datei oder des Ordners im Hub.
token-rights = Rechte
token-rights-legend = Wer das Token hat, darf
token-right-anyone = sehen, was alle sehen dürfen
token-right-read = es ansehen
token-right-get = es herunterladen
token-right-write = es ändern und löschen
token-right-admin = es verwalten
token-right-owner = es vollständig kontrollieren
token-hours = Läuft ab
token-hours-1 = In 1 Stunde
token-hours-24 = In 1 Tag
token-hours-168 = In 7 Tagen
token-hours-720 = In 30 Tagen
token-hours-8760 = In 1 Jahr
token-hours-0 = Nie
token-status = Status
token-active = Aktiv
token-expired = Abgelaufen
token-revoked = Widerrufen
token-until = läuft ab am
token-forever = läuft nicht ab
token-uses = Verwendet
token-used = { $count ->
    [0] Nie
    [one] Einmal
   *[other] { $count } Mal
}
token-last = zuletzt verwendet am
token-revoke = Widerrufen
token-revoke-words = Das Token funktioniert dann sofort nicht mehr. Das lässt sich nicht rückgängig machen.
token-wrong-hub = Sie können in diesem Hub kein Token mit diesen Rechten erstellen. Sie müssen Admin des Hubs sein und diese Rechte selbst haben.
token-wrong-node = Geben Sie die ID einer Datei oder eines Ordners mit höchstens 255 Zeichen ein.
token-wrong-rights = Wählen Sie mindestens ein Recht aus.
token-wrong-hours = Wählen Sie aus, wann das Token abläuft.
token-no-hubs = Sie sind in keinem Hub Admin
token-no-hubs-words = Nur Admins und Eigentümer eines Hubs können Token erstellen. Bitten Sie den Eigentümer des Hubs um die Admin-Rolle.

# --- API-Schlüssel
keys-title = API-Schlüssel
keys-lead = Mit einem API-Schlüssel handelt ein Programm in Ihrem Namen, ohne Ihr Passwort zu kennen.
keys-none = Noch keine API-Schlüssel
keys-none-words = Erstellen Sie einen Schlüssel für jedes Programm, damit Sie sie einzeln widerrufen können.
key-new = Neuer API-Schlüssel
key-create = API-Schlüssel erstellen
key-made = API-Schlüssel erstellt
key-it = API-Schlüssel
key-list = Alle API-Schlüssel
key-label = Name
key-label-hint = Wofür Sie den Schlüssel verwenden. Nur Sie können das sehen.
key-unnamed = Ohne Namen
key-scope = Umfang
key-scope-all = Voller Zugriff
key-scope-all-hint = Der Schlüssel darf alles, was Sie dürfen.
key-scope-introspect = Nur Export-Token prüfen
key-scope-introspect-hint = Für Dateiserver, die prüfen, ob ein Token gültig ist.
key-since = Erstellt am
key-status = Status
key-active = Aktiv
key-revoked = Widerrufen
key-revoke = Widerrufen
key-revoke-words = Programme, die diesen Schlüssel verwenden, verlieren den Zugriff. Das lässt sich nicht rückgängig machen.
key-wrong-label = Geben Sie einen einzeiligen Namen mit höchstens 100 Zeichen ein.
