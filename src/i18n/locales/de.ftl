# Texte auf Deutsch, in der Reihenfolge von en.ftl.

# --- Allgemein
skip = Zum Hauptinhalt springen
nav = Hauptnavigation
nav-home = Übersicht
nav-requests = Anfragen
nav-access = Zugriff
nav-tokens = Export-Token
nav-keys = API-Schlüssel
nav-webhooks = Webhooks
nav-account = Konto
nav-staff = Administration
sign-out = Abmelden
signed-in-as = Sie sind als { $email } angemeldet.

datetime-format = { $day }. { $month } { $year }, { $time } UTC
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

# Rechte, nach „… darf“
right-anyone = sehen, was alle sehen dürfen
right-read = Ihre Daten ansehen
right-get = Ihre Daten herunterladen
right-write = Ihre Daten ändern und löschen
right-admin = Ihre Daten verwalten
right-owner = Ihre Daten vollständig kontrollieren
# Rechte an den Daten anderer
others-right-anyone = sehen, was alle sehen dürfen
others-right-read = die Daten ansehen
others-right-get = die Daten herunterladen
others-right-write = die Daten ändern und löschen
others-right-admin = die Daten verwalten
others-right-owner = die Daten vollständig kontrollieren

# --- Fehler
error-title = Etwas ist schiefgelaufen
error-unauthenticated = Sie sind nicht angemeldet. Melden Sie sich an und versuchen Sie es erneut.
error-forbidden = Sie haben keine Berechtigung dafür, oder die Anfrage kam von einer anderen Website. Es wurde nichts geändert.
error-not-found = Seite nicht gefunden. Sie existiert nicht, oder Sie haben keinen Zugriff darauf.
error-method-not-allowed = Diese Seite unterstützt diese Aktion nicht. Gehen Sie zurück und versuchen Sie es erneut.
error-bad-request = Einige Angaben fehlen oder sind ungültig. Es wurde nichts geändert. Gehen Sie zurück, prüfen Sie Ihre Angaben und versuchen Sie es erneut.
error-too-large = Die gesendeten Daten sind zu groß. Es wurde nichts geändert.
error-body-timeout = Die Verbindung war zu langsam. Es wurde nichts geändert. Versuchen Sie es erneut.
error-rate-limited = Zu viele Anfragen. Es wurde nichts geändert. Warten Sie { $duration } und versuchen Sie es dann erneut.
error-busy = Der Server ist ausgelastet. Es wurde nichts geändert. Versuchen Sie es gleich noch einmal.
error-unavailable = Der Dienst ist derzeit nicht verfügbar. Es wurde nichts geändert. Versuchen Sie es in einigen Minuten erneut.
error-outcome-unknown = Der Server hat nicht rechtzeitig geantwortet. Ihre Änderung wurde möglicherweise gespeichert. Prüfen Sie das, bevor Sie es erneut versuchen.
error-internal = Bei uns ist ein Fehler aufgetreten. Ihre Änderung wurde möglicherweise gespeichert. Prüfen Sie das, bevor Sie es erneut versuchen.
error-stale-form = Dieses Formular ist veraltet oder wurde bereits gesendet. Öffnen Sie die Seite neu, um zu sehen, was gespeichert ist.
error-form-again = Dieses Formular war zu lange oder in einem anderen Tab geöffnet. Es wurde nichts gesendet. Senden Sie es noch einmal.
error-open-page-again = Seite neu öffnen

# --- Anmeldung
sign-in-title = Anmelden
sign-in = Anmelden
sign-in-failed = E-Mail-Adresse oder Passwort ist falsch.
sign-in-rate-limited = Zu viele Versuche. Warten Sie { $duration } und versuchen Sie es dann erneut.
email = E-Mail-Adresse
password = Passwort

# --- Anfrage genehmigen
redeem-title = Berechtigungsanfrage
redeem-sign-in = Jemand bittet Sie um eine Berechtigung. Melden Sie sich an, um die Anfrage anzusehen und sie zu genehmigen oder abzulehnen. Wenn Sie nichts tun, ändert sich nichts.
redeem-intro = Jemand bittet Sie um eine Berechtigung:
rights-if-approved = Wenn Sie genehmigen, darf diese Person:
rights-granted = Diese Person darf:
redeem-expires = Diese Anfrage läuft ab am
redeem-ignore = Wenn Sie nichts tun, ändert sich nichts und die Anfrage läuft ab.
approve = Genehmigen
decline = Ablehnen
redeem-purpose = Angegebener Grund:
redeem-replaces = Diese Person hat bereits eine Berechtigung. Wenn Sie genehmigen, wird sie durch diese Anfrage ersetzt. Bisher darf sie:
redeem-replaces-reduced = Die neue Berechtigung umfasst weniger Rechte oder endet früher.
redeem-right-needed = erforderlich
redeem-end = Letzter Tag (optional)
redeem-end-open = Wenn Sie nichts eingeben, gilt die Berechtigung, bis Sie sie widerrufen.
redeem-end-asked = Wenn Sie nichts eingeben, endet die Berechtigung am
redeem-statement = Vollständiger Text, wie ihn der Beleg festhält
redeem-reason = Grund der Ablehnung (optional)
redeem-reason-hint = Die andere Person sieht ihn, wenn Sie ablehnen.
redeem-return = Weiter zur Anwendung
redeem-error-rights = Wählen Sie mindestens ein Recht aus.
redeem-error-end = Wählen Sie einen Tag in der Zukunft, der nicht nach dem gewünschten Ende liegt.
redeem-error-reason = Geben Sie höchstens 500 Zeichen ein.
permission-ends = Endet am
permission-no-end = Gültig bis zum Widerruf
redeem-approved-title = Anfrage genehmigt
redeem-approved-text = { $by } hat jetzt Ihre Berechtigung: { $bundle }.
redeem-approved-revoke-hint = Sie können diese Berechtigung jederzeit widerrufen, hier oder unter „Zugriff“.
revoke-permission = Berechtigung widerrufen
redeem-declined-title = Anfrage abgelehnt
redeem-declined-text = Es wurde keine Berechtigung erteilt, und der Link funktioniert nicht mehr.
redeem-changed = Es wurde nichts genehmigt. Die Anfrage oder ihr Absender hat sich geändert, seit diese Seite angezeigt wurde. Prüfen Sie sie noch einmal, bevor Sie entscheiden.
redeem-was-approved-title = Sie haben diese Anfrage genehmigt
redeem-was-approved-text = Dieser Link wurde bereits verwendet. Sie haben die Anfrage von { $by } genehmigt am
redeem-was-declined-title = Sie haben diese Anfrage abgelehnt
redeem-was-declined-text = Dieser Link wurde bereits verwendet. Sie haben die Anfrage von { $by } abgelehnt am
redeem-other-account = Mit einem anderen Konto anmelden
redeem-was-approved-history = Verlauf ansehen
redeem-was-approved-access = Berechtigungen ansehen
redeem-inactive-title = Dieser Link ist ungültig
redeem-inactive-text = Der Link wurde bereits verwendet, ist abgelaufen, wurde zurückgezogen, durch einen neueren ersetzt oder ist unvollständig. Es wurde nichts geändert.
redeem-wrong-account-title = Dieser Link ist für ein anderes Konto
redeem-wrong-account-text = Diese Anfrage wurde an ein anderes Konto gesendet. Es wurde nichts geändert. Wenn Sie mehrere Konten haben, melden Sie sich mit der E-Mail-Adresse an, die die Anfrage erhalten hat.
redeem-request-again = { $name } um eine neue Anfrage bitten
redeem-request-again-subject = Bitte senden Sie mir eine neue Berechtigungsanfrage

# --- Mails
weekday-and-datetime = { $day }, { $datetime }
day-1 = Montag
day-2 = Dienstag
day-3 = Mittwoch
day-4 = Donnerstag
day-5 = Freitag
day-6 = Samstag
day-7 = Sonntag
mail-hello = Guten Tag { $name },
mail-button-fallback = Wenn die Schaltfläche nicht funktioniert, kopieren Sie diesen Link in Ihren Browser:
# Nach dem Namen der anfragenden Person
mail-request-intro = bittet Sie um eine Berechtigung:
mail-request-intro-with-bundle = bittet Sie um eine Berechtigung: „{ $bundle }“.
mail-request-subject = { $name } bittet Sie um eine Berechtigung: { $bundle }
mail-request-rights = Wenn Sie genehmigen, darf diese Person:
mail-request-purpose = Der Grund:
mail-request-duration = Gewünschte Dauer: { $duration }.
mail-request-until-revoked = Sie können die Berechtigung jederzeit widerrufen.
mail-request-button = Anfrage ansehen
mail-request-sign-in = Zum Genehmigen oder Ablehnen melden Sie sich als { $email } an.
mail-request-open = Um die Anfrage anzusehen und sie dann zu genehmigen oder abzulehnen, öffnen Sie diesen Link und melden Sie sich als { $email } an:
mail-request-link-expiry = Der Link funktioniert einmal und nur für Sie. Die Anfrage läuft ab am { $until }.
mail-request-ignore = Sie kennen diese Person nicht oder möchten keine Berechtigung erteilen? Dann können Sie diese E-Mail ignorieren: Es ändert sich nichts, und die Anfrage läuft ab. Sie können den Link auch öffnen und die Anfrage ablehnen.
mail-request-sender = Gesendet von { $server }, wo diese Anfrage erstellt wurde.
mail-password-link-expiry = Der Link funktioniert einmal und läuft ab am { $until }. Wenn Sie einen weiteren anfordern, gilt nur der neueste.
mail-password-sender = Gesendet von { $server }.
mail-new-account-subject = Richten Sie Ihr Konto ein
mail-new-account-reason = Auf { $server } wurde ein Konto für Sie erstellt. Sie melden sich als { $email } an.
mail-new-account-next-step = Legen Sie ein Passwort fest, um es zu nutzen.
mail-new-account-button = Passwort festlegen
mail-new-account-open = Um ein Passwort festzulegen, öffnen Sie diesen Link:
mail-new-account-ignore = Wenn Sie diese E-Mail nicht erwartet haben, können Sie sie ignorieren. Ohne diesen Link kann niemand das Konto nutzen.
mail-password-reset-subject = Neues Passwort festlegen
mail-password-reset-reason = Für { $email } auf { $server } wurde angefordert, das Passwort zurückzusetzen.
mail-password-reset-next-step = Sobald Sie ein neues Passwort festgelegt haben, sind Sie auf allen Geräten abgemeldet.
mail-password-reset-button = Passwort zurücksetzen
mail-password-reset-open = Um Ihr Passwort zurückzusetzen, öffnen Sie diesen Link:
mail-password-reset-ignore = Wenn Sie das nicht angefordert haben, können Sie diese E-Mail ignorieren. Ihr Passwort bleibt unverändert, und ohne diesen Link kann es niemand ändern.
mail-notice-permission-received-subject = Neue Berechtigung von { $target }: { $bundle }
mail-notice-permission-received-text = Sie haben jetzt die Berechtigung „{ $bundle }“ für die Daten von { $target } ({ $target_email }).
mail-notice-permission-received-rights = Sie können jetzt:
mail-notice-permission-received-next-step = Sie können die Berechtigung jederzeit abgeben:
mail-notice-permission-received-button = Berechtigungen ansehen
mail-notice-permission-granted-by-staff-subject = Die Administration hat { $grantee } eine Berechtigung für Ihre Daten erteilt: { $bundle }
mail-notice-permission-granted-by-staff-text = Die Administration dieses Servers hat { $grantee } ({ $grantee_email }) die Berechtigung „{ $bundle }“ für Ihre Daten erteilt. Sie wurden nicht gefragt.
mail-notice-permission-granted-by-staff-rights = Diese Person kann jetzt:
mail-notice-permission-granted-by-staff-next-step = Sie können die Berechtigung jederzeit widerrufen:
mail-notice-permission-granted-by-staff-button = Berechtigungen ansehen
mail-notice-password-changed-subject = Ihr Passwort wurde geändert
mail-notice-password-changed-text = Das Passwort für { $email } auf { $server } wurde geändert. Sie sind auf allen anderen Geräten abgemeldet. Ihre API-Schlüssel und Export-Token gelten weiterhin.
mail-notice-password-changed-next-step = Wenn Sie das nicht waren: Setzen Sie jetzt Ihr Passwort zurück, widerrufen Sie Ihre API-Schlüssel und Export-Token, und wenden Sie sich an die Administration.
mail-notice-password-changed-button = Konto ansehen
mail-notice-password-changed-keys-revoked-subject = Ihr Passwort wurde geändert
mail-notice-password-changed-keys-revoked-text = Das Passwort für { $email } auf { $server } wurde geändert. Sie sind auf allen anderen Geräten abgemeldet, und alle Ihre API-Schlüssel und Export-Token wurden widerrufen.
mail-notice-password-changed-keys-revoked-next-step = Wenn Sie das nicht waren: Setzen Sie jetzt Ihr Passwort zurück, und wenden Sie sich an die Administration.
mail-notice-password-changed-keys-revoked-button = Konto ansehen
mail-notice-api-key-created-subject = Neuer API-Schlüssel für Ihr Konto
mail-notice-api-key-created-text = Für das Konto { $email } auf { $server } wurde ein neuer API-Schlüssel erstellt. Programme mit diesem Schlüssel können in Ihrem Namen handeln.
mail-notice-api-key-created-next-step = Wenn Sie das nicht waren, widerrufen Sie den Schlüssel jetzt und ändern Sie Ihr Passwort:
mail-notice-api-key-created-button = API-Schlüssel ansehen
mail-notice-account-disabled-subject = Ihr Konto wurde deaktiviert
mail-notice-account-disabled-text = Die Administration hat das Konto { $email } auf { $server } deaktiviert. Sie sind auf allen Geräten abgemeldet. Ihre API-Schlüssel und Passwort-Links sind endgültig ungültig.
mail-notice-account-disabled-next-step = Bei Fragen wenden Sie sich an die Administration dieses Servers.
mail-notice-account-disabled-button = Server öffnen
mail-notice-sign-ins-failed-subject = Fehlgeschlagene Anmeldungen an Ihrem Konto
mail-notice-sign-ins-failed-text = Viele Versuche, sich auf { $server } als { $email } anzumelden, sind fehlgeschlagen. Weitere Versuche von unbekannten Orten werden verlangsamt. Wo Sie schon einmal angemeldet waren, können Sie sich weiterhin anmelden.
mail-notice-sign-ins-failed-next-step = Wenn Sie das nicht waren, müssen Sie nichts tun. Achten Sie darauf, dass Ihr Passwort lang ist und nirgends sonst verwendet wird:
mail-notice-sign-ins-failed-button = Konto ansehen

mail-notice-webhook-disabled-subject = Ein Webhook wurde abgeschaltet
mail-notice-webhook-disabled-text = Ein Webhook von { $email } auf { $server } wurde abgeschaltet. Sein Empfänger hat geantwortet, dass er keine Ereignisse mehr möchte (410), oder drei Tage lang konnte kein Ereignis zugestellt werden. Ereignisse, die noch warteten, werden nicht gesendet.
mail-notice-webhook-disabled-next-step = Beheben Sie den Fehler des Empfängers und senden Sie ihm einen Test. Gelingt er, ist der Webhook wieder aktiv:
mail-notice-webhook-disabled-button = Webhooks öffnen
mail-decision-approved-subject = { $name } hat Ihre Anfrage genehmigt: { $bundle }
mail-decision-declined-subject = { $name } hat Ihre Anfrage abgelehnt: { $bundle }
mail-decision-approved-text = { $name } ({ $email }) hat Ihre Anfrage um die Berechtigung „{ $bundle }“ genehmigt.
mail-decision-declined-text = { $name } ({ $email }) hat Ihre Anfrage um die Berechtigung „{ $bundle }“ abgelehnt.
mail-decision-rights = Sie können jetzt:
mail-decision-until = Die Berechtigung endet am { $until }. Sie kann vorher widerrufen werden.
mail-decision-until-revoked = Die Berechtigung hat kein Ende. Sie kann jederzeit widerrufen werden.
mail-decision-reason = Der Grund, den { $name } genannt hat:
mail-decisions-subject = Über { $count } Ihrer Anfragen wurde entschieden
mail-decisions-title = { $count ->
    [one] Über Ihre Anfrage wurde entschieden
   *[other] Über Ihre Anfragen wurde entschieden
 }
mail-decisions-open = { $count ->
    [one] Um die Anfrage zu sehen, öffnen Sie diesen Link:
   *[other] Um die Anfragen zu sehen, öffnen Sie diesen Link:
 }
mail-decisions-button = { $count ->
    [one] Anfrage ansehen
   *[other] Anfragen ansehen
 }
mail-daily-title = Erinnerungen
mail-daily-preheader = { $count ->
    [one] 1 Erinnerung
   *[other] { $count } Erinnerungen
 }
mail-daily-subject-several = { $count } Erinnerungen von { $server }
mail-daily-subject-pending = Erinnerung: { $name } bittet Sie um eine Berechtigung: { $bundle }
mail-daily-subject-granted = Ihre Berechtigung für { $name } endet bald: { $bundle }
mail-daily-subject-received = Ihre Berechtigung von { $name } endet bald: { $bundle }
mail-daily-subject-export = Ihr Export-Token für { $node } läuft bald ab
mail-daily-subject-expired = Ihre Anfrage an { $name } ist abgelaufen: { $bundle }
mail-daily-pending = Diese Anfragen warten auf Ihre Entscheidung:
mail-daily-pending-item = { $name } ({ $email }) bittet Sie um eine Berechtigung: „{ $bundle }“. Die Anfrage läuft ab am { $until }.
mail-daily-granted = Diese Berechtigungen, die Sie erteilt haben, enden bald. Sie müssen nichts tun:
mail-daily-received = Diese Berechtigungen, die Sie haben, enden bald. Sie können erneut anfragen:
mail-daily-permission-item = „{ $bundle }“, { $name } ({ $email }), endet am { $until }
mail-daily-exports = Diese Export-Token laufen bald ab und funktionieren dann nicht mehr:
mail-daily-exports-item = { $node } im Hub { $hub }, läuft ab am { $until }
mail-daily-expired = Diese Anfragen von Ihnen sind ohne Entscheidung abgelaufen. Sie können erneut anfragen:
mail-daily-expired-item = „{ $bundle }“ von { $name } ({ $email }), abgelaufen am { $until }
mail-daily-more = { $count ->
    [one] Und 1 weitere. Sie finden sie auf den Seiten des Servers.
   *[other] Und { $count } weitere. Sie finden sie auf den Seiten des Servers.
 }
mail-daily-open = Um alle zu sehen, öffnen Sie diesen Link und melden Sie sich als { $email } an:
mail-daily-button = Server öffnen
mail-daily-sign-in = Melden Sie sich als { $email } an.
mail-unsubscribe = Sie erhalten diese E-Mail, weil Sie sie nicht abbestellt haben. Zum Abbestellen:
mail-unsubscribe-button = Abbestellen

# --- Passwörter und Konto
sign-in-forgot-password = Passwort vergessen?
forgot-title = Passwort zurücksetzen
forgot-intro = Geben Sie die E-Mail-Adresse Ihres Kontos ein. Wir senden Ihnen einen Link, mit dem Sie ein neues Passwort festlegen. Das geht auch, wenn Sie noch kein Passwort haben.
forgot-send = Link senden
forgot-back = Zurück zur Anmeldung
forgot-sent-title = Prüfen Sie Ihr Postfach
forgot-sent-text = Wenn es ein Konto mit dieser Adresse gibt, haben wir einen Link zum Festlegen eines neuen Passworts dorthin gesendet. Der Link funktioniert einmal. Wenn Sie einen weiteren anfordern, gilt nur der neueste. Es kann einige Minuten dauern, bis die E-Mail ankommt. Sehen Sie auch im Spam-Ordner nach.
set-password-title = Passwort festlegen
set-password-intro = Mit diesem Passwort melden Sie sich künftig an.
set-password-revoke = Alle meine API-Schlüssel und Export-Token widerrufen
set-password-revoke-hint = Lassen Sie das eingeschaltet, wenn jemand anderes Ihr Passwort kennen könnte. Programme, die die Schlüssel verwenden, brauchen dann neue.
set-password-submit = Passwort speichern
set-password-hint = Mit dem Speichern werden Sie hier angemeldet und auf allen anderen Geräten abgemeldet.
set-password-inactive-title = Dieser Link ist ungültig
set-password-inactive-text = Der Link wurde bereits verwendet, ist abgelaufen, wurde durch einen neueren ersetzt oder ist unvollständig. Es wurde nichts geändert. Sie können jederzeit einen neuen Link anfordern.
set-password-new-link = Neuen Link senden
password-new = Neues Passwort
password-rule = Mindestens 8 Zeichen. Mehrere Wörter ohne Zusammenhang sind leicht zu merken und schwer zu erraten.
password-confirm = Neues Passwort bestätigen
password-too-short = Das Passwort ist zu kurz. Verwenden Sie mindestens 8 Zeichen.
password-too-long = Das Passwort ist zu lang. Verwenden Sie ein kürzeres.
password-weak = Dieses Passwort ist leicht zu erraten. Verwenden Sie vier oder mehr Wörter ohne Zusammenhang oder ein Passwort, das Ihr Browser vorschlägt. Vermeiden Sie Namen, Daten, Tastaturmuster und Ihre E-Mail-Adresse.
password-same = Das ist bereits Ihr Passwort. Wählen Sie ein anderes.
password-unusable = Das Passwort enthält ein unzulässiges Zeichen, zum Beispiel einen Zeilenumbruch. Entfernen Sie es und versuchen Sie es erneut.
password-mismatch = Die Passwörter stimmen nicht überein. Geben Sie zweimal dasselbe Passwort ein.
account-title = Ihr Konto
account-sessions = Angemeldete Geräte
account-current-session = Dieses Gerät
account-since = Angemeldet am
account-address = IP-Adresse { $address }
account-end-session = Abmelden
account-end-session-label = Abmelden: { $client }
account-end-other-sessions = Auf allen anderen Geräten abmelden
account-more-sessions = { $count ->
    [one] Und 1 weiteres Gerät.
   *[other] Und { $count } weitere Geräte.
 }
account-password = Passwort ändern
account-current-password = Aktuelles Passwort
account-wrong-password = Das aktuelle Passwort ist falsch. Versuchen Sie es erneut.
account-password-hint = Mit dem Ändern werden Sie auf allen anderen Geräten abgemeldet.
account-change-password = Passwort ändern
account-flash-password = Ihr Passwort wurde geändert. Auf allen anderen Geräten sind Sie abgemeldet.
account-flash-session = Das Gerät wurde abgemeldet.
account-flash-sessions = Sie sind auf allen anderen Geräten abgemeldet.
account-mails = E-Mails
account-mails-legend = Ich möchte eine E-Mail erhalten, wenn
account-mails-hint = Anfragen um Ihre Berechtigung und Mitteilungen zu Ihrem Konto erhalten Sie immer.
account-mails-save = Speichern
account-flash-mails = Ihre Auswahl der E-Mails wurde gespeichert.
# Nach „Ich möchte eine E-Mail erhalten, wenn“ und in Listen
mail-kind-decisions = jemand meine Anfrage genehmigt oder ablehnt
mail-kind-expired = meine Anfrage abläuft
mail-kind-reminders = eine Anfrage noch auf meine Entscheidung wartet
mail-kind-endings = eine Berechtigung oder ein Export-Token bald endet
unsubscribe-title = E-Mails abbestellen
unsubscribe-text = Keine E-Mails mehr erhalten, wenn:
unsubscribe-submit = Abbestellen
unsubscribed-title = E-Mails abbestellt
unsubscribed-text = Sie erhalten keine E-Mail mehr, wenn:
unsubscribed-hint = Unter „Konto“ können Sie diese E-Mails jederzeit wieder einschalten.
unsubscribed-account = Konto öffnen
unsubscribe-inactive-title = Dieser Link ist ungültig
unsubscribe-inactive-text = Der Link ist unvollständig oder veraltet. Es wurde nichts geändert. Unter „Konto“ können Sie Ihre E-Mails auswählen.
client-on-system = { $client } unter { $system }
client-unknown = Unbekannter Browser

# --- Rollen in einem Hub
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
staff-actions = Aktionen
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
staff-error-unknown-user = Kein Benutzer hat diese E-Mail-Adresse. Fügen Sie den Benutzer zuerst unter „Benutzer“ hinzu.
staff-error-hub-id = Geben Sie eine ID mit 1 bis 64 Zeichen ein.
staff-error-hub-taken = Es gibt bereits einen Hub mit dieser ID. Wählen Sie eine andere ID.
staff-error-name = Geben Sie einen einzeiligen Namen mit höchstens 100 Zeichen ein.
staff-error-bundle-name = Geben Sie einen einzeiligen Namen mit 1 bis 100 Zeichen ein.
staff-error-description = Geben Sie eine einzeilige Beschreibung mit höchstens 1.000 Zeichen ein.
staff-error-rights = Wählen Sie mindestens ein Recht aus.

# --- Administration: Überblick
staff-chart-title = Anfragen der letzten 30 Tage
staff-chart-text = Insgesamt: { $requested } erstellt, { $approved } genehmigt, { $declined } abgelehnt, { $expired } abgelaufen, { $mail_failed } E-Mails fehlgeschlagen. Die Tabelle unten zeigt die Zahlen für jeden Tag.
staff-chart-day = { $date }: { $requested } erstellt, { $approved } genehmigt, { $declined } abgelehnt, { $expired } abgelaufen, { $mail_failed } E-Mails fehlgeschlagen
staff-chart-empty = Noch keine Anfragen.
staff-chart-max = Maximum: { $count } pro Tag
staff-chart-requested = Erstellt
staff-chart-approved = Genehmigt
staff-chart-not-granted = Abgelehnt oder abgelaufen
staff-chart-mail-failed = E-Mails fehlgeschlagen
staff-chart-sampled = Diese Zahlen sind geschätzt: Jede { $weight }. Anfrage wurde gezählt und das Ergebnis mit { $weight } multipliziert.
staff-chart-table = Als Tabelle anzeigen
staff-numbers = Auf einen Blick
staff-number-users = Benutzer
staff-number-unsent-mails = E-Mails in der Warteschlange
staff-number-oldest = Älteste seit
staff-number-failed-mails = Fehlgeschlagene E-Mails
staff-number-failed-mails-link = Fehlgeschlagene E-Mails ansehen
staff-health = Systemstatus
staff-health-database = Datenbank
staff-health-registry = Registry
staff-health-mailer = E-Mail-Versand
staff-health-ok = Funktioniert
staff-health-failing = Gestört

# --- Administration: Personen
staff-users-search = Nach E-Mail-Adresse oder Name suchen
staff-users-empty = Keine Benutzer gefunden.
staff-users-added = Benutzer hinzugefügt.
staff-users-disabled = Benutzer deaktiviert. Sitzungen, API-Schlüssel und Export-Token dieses Benutzers funktionieren nicht mehr.
staff-users-enabled = Benutzer aktiviert.
staff-users-last-staff = Es wurde nichts geändert. Das ist das letzte aktive Administrationskonto.
staff-users-ended = Beendet: { $sessions } Sitzungen, { $keys } API-Schlüssel, { $links } Passwort-Links, { $tokens } Export-Token.
staff-user-revoke-tokens = Auch Export-Token widerrufen
staff-users-not-yourself = Sie können Ihr eigenes Konto nicht deaktivieren. Wenden Sie sich an einen anderen Administrator.
staff-user-add = Benutzer hinzufügen
staff-user-staff = Administrator
staff-user-staff-hint = Administratoren sehen diese Seiten und können Berechtigungsanfragen im Namen jedes Benutzers erstellen.
staff-user-active = Aktiv
staff-user-disabled = Deaktiviert
staff-user-staff-badge = Administrator
staff-user-you = Sie
staff-user-disable = Deaktivieren
staff-user-disable-label = { $email } deaktivieren
staff-user-enable = Aktivieren
staff-user-enable-label = { $email } aktivieren
staff-users-all = Alle Benutzer
staff-user-title = Benutzer { $email }
staff-user-no-keys = Dieser Benutzer hat keine API-Schlüssel.
staff-user-no-sessions = Dieser Benutzer ist nirgends angemeldet.
staff-user-end-sessions = Auf allen Geräten abmelden
staff-user-key-revoked = Der API-Schlüssel wurde widerrufen. Er funktioniert nicht mehr.
staff-user-session-ended = Das Gerät wurde abgemeldet.
staff-user-sessions-ended = Der Benutzer wurde auf allen Geräten abgemeldet.

# --- Administration: Hubs
staff-hubs-intro = Ein Hub ist ein Arbeitsbereich. Seine Admins und sein Eigentümer können Export-Token erstellen.
staff-hubs-search = Nach ID oder Name suchen
staff-hubs-empty = Keine Hubs gefunden.
staff-hubs-all = Alle Hubs
staff-hub-title = Hub { $id }
staff-hub-add = Hub hinzufügen
staff-hub-id = ID
staff-hub-id-hint = Clients und Dateiserver verwenden diese ID. Sie lässt sich später nicht ändern.
staff-hub-owner = E-Mail-Adresse des Eigentümers
staff-hub-empty = Dieser Hub hat keine Mitglieder.
staff-hub-grant = Rolle zuweisen
staff-hub-grant-hint = Wenn der Benutzer in diesem Hub bereits eine Rolle hat, wird sie ersetzt.
staff-hub-revoke = Rolle entfernen
staff-hub-revoke-label = Rolle von { $email } entfernen
staff-hub-added = Hub hinzugefügt.
staff-hub-granted = Rolle zugewiesen.
staff-hub-revoked = Rolle entfernt. Die Export-Token des Benutzers für diesen Hub funktionieren nicht mehr.
staff-hub-last-owner = Es wurde nichts geändert. Das ist das letzte Konto mit der Rolle „Eigentümer“ in diesem Hub. Geben Sie zuerst einem anderen diese Rolle.
staff-hub-no-role = Dieser Benutzer hat keine Rolle in diesem Hub. Es wurde nichts geändert.

# --- Administration: Bündel
staff-permissions = Berechtigungen
staff-permissions-search = E-Mail-Adresse der Person, um deren Daten es geht
staff-permissions-target = Daten von
staff-permissions-grantee = Erteilt an
staff-permissions-empty = Keine aktiven Berechtigungen
staff-bundles-intro = Ein Paket ist eine benannte Gruppe von Rechten, um die Benutzer einander bitten können.
staff-bundles-empty = Noch keine Pakete. Fügen Sie eines hinzu, damit Benutzer um Berechtigungen bitten können.
staff-bundles-all = Alle Pakete
staff-bundles-added = Paket hinzugefügt.
staff-bundles-changed = Paket gespeichert.
staff-bundles-deleted = Paket gelöscht.
staff-bundle-title = Paket { $id }
staff-bundle-add = Paket hinzufügen
staff-bundle-name-hint = Dieser Name erscheint in E-Mails, zum Beispiel „Schlaf“.
staff-bundle-rights = Rechte
staff-bundle-change-hint = Ein Paket können Sie nicht ändern, solange es zu einer aktiven Berechtigung oder einer offenen Anfrage gehört. Abgeschlossene Anfragen behalten Name, Beschreibung und Rechte, um die es ging.
staff-bundle-change-in-use = Es wurde nichts geändert. Dieses Paket gehört zu einer aktiven Berechtigung oder einer offenen Anfrage. Wenn Sie etwas anderes anbieten möchten, fügen Sie ein weiteres Paket hinzu.
staff-bundle-versions = Frühere Fassungen
staff-bundle-version-until = Gültig bis
staff-bundle-delete = Paket löschen
staff-bundle-delete-text = Damit werden auch alle früheren Anfragen für dieses Paket gelöscht. Das lässt sich nicht rückgängig machen.
staff-bundle-in-use = Es wurde nichts gelöscht. Dieses Paket gehört zu einer aktiven Berechtigung oder einer offenen Anfrage.

# --- Administration: Mail
staff-mail-filter = E-Mails filtern
staff-mail-filter-all = Alle
staff-mail-filter-unsent = In der Warteschlange
staff-mail-filter-failed = Fehlgeschlagen
staff-mail-filter-sent = Gesendet
staff-mail-to = An
staff-mail-created = Erstellt
staff-mail-attempts = Versuche
staff-mail-error = Letzter Fehler
staff-mail-next-attempt = Nächster Versuch:
staff-mail-retry = Jetzt senden
staff-mail-retry-all = Alle nicht gesendeten E-Mails jetzt senden
staff-mail-retried-all = Alle nicht gesendeten E-Mails sind die nächsten in der Warteschlange.
staff-mail-retried = Die E-Mail ist die nächste in der Warteschlange.
staff-mail-not-retried = Es wurde nichts geändert. Diese E-Mail kann jetzt nicht gesendet werden: Sie wurde bereits gesendet, wird gerade gesendet oder wurde storniert.
staff-mail-empty-all = Noch keine E-Mails.
staff-mail-empty-unsent = Keine E-Mails in der Warteschlange.
staff-mail-empty-failed = Keine fehlgeschlagenen E-Mails.
staff-mail-empty-sent = Noch keine E-Mails gesendet.
mail-state-waiting = In der Warteschlange
mail-state-sending = Wird gesendet
mail-state-sent = Gesendet
mail-state-failed = Fehlgeschlagen
mail-state-cancelled = Storniert

# --- Gespeicherte Mails eines Servers ohne SMTP
mailbox-title = Postfach
mailbox-intro = Für diesen Server ist kein SMTP-Server konfiguriert. Er speichert E-Mails als Dateien in { $directory }, und diese Seite zeigt sie alle. Nur Personen an diesem Computer, die den Link aus der Ausgabe des Servers haben, können diese Seite sehen. Sie verschwindet, sobald Sie einen SMTP-Server konfigurieren.
mailbox-locked-title = Öffnen Sie den Link aus der Ausgabe des Servers
mailbox-locked-text = Der Server hat beim Start einen Link zu dieser Seite ausgegeben. Der Link enthält ein Geheimnis, mit dem Sie die E-Mails lesen können.
mailbox-empty = Noch keine E-Mails. Hier erscheint eine E-Mail, sobald jemand um eine Berechtigung bittet.
mailbox-all = Alle E-Mails
mailbox-subject = Betreff
mailbox-no-subject = (kein Betreff)
mailbox-from = Von
mailbox-to = An
mailbox-date = Datum
mailbox-text-only = Das ist die Nur-Text-Version. E-Mail-Programme zeigen denselben Inhalt als HTML.

# --- Verlauf einer Anfrage
timeline-title = Anfrage { $number }
timeline-summary = { $allowed } bittet { $target } um diese Berechtigung.
timeline-summary-direct = { $target } hat { $allowed } diese Berechtigung erteilt.
timeline-decide = Ansehen und entscheiden
timeline-heading = Verlauf
timeline-staff = Ein Administrator
timeline-operator = Der Serverbetreiber
timeline-requested = { $who } hat die Anfrage erstellt.
timeline-summary-staff = Die Administration hat { $allowed } diese Berechtigung für die Daten von { $target } erteilt.
timeline-granted-directly = { $who } hat diese Berechtigung direkt erteilt, ohne Anfrage.
timeline-mail-queued = Eine E-Mail mit dem Link wurde in die Warteschlange gestellt.
timeline-mail-sent = Die E-Mail wurde gesendet.
timeline-mail-failed = Die E-Mail konnte nicht zugestellt werden und wird nicht noch einmal gesendet.
timeline-mail-cancelled = Die E-Mail wurde storniert, weil die Anfrage bereits geschlossen war.
timeline-mail-deferred = Die E-Mail konnte nicht gesendet werden. Der nächste Versuch ist zu diesem Zeitpunkt.
timeline-mail-error-mailbox = Das Postfach des Empfängers hat sie nicht angenommen.
timeline-mail-error-server = Der Mailserver hat sie nicht angenommen oder war nicht erreichbar.
timeline-mail-attempts = { $count ->
    [one] Bisher 1 Versuch.
   *[other] Bisher { $count } Versuche.
 }
timeline-link-opened = { $count ->
    [one] Der Link wurde einmal geöffnet.
   *[other] Der Link wurde { $count }-mal geöffnet, zuletzt zu diesem Zeitpunkt.
 }
timeline-link-opened-hint = Auch E-Mail-Programme und Virenscanner öffnen Links. Das ändert nichts an der Anfrage.
timeline-viewed = { $count ->
    [one] { $who } hat die Anfrage angesehen.
   *[other] { $who } hat die Anfrage { $count }-mal angesehen, zuletzt zu diesem Zeitpunkt.
 }
timeline-pending = Die Anfrage läuft zu diesem Zeitpunkt ab, wenn { $who } nicht vorher entscheidet.
timeline-approved = { $who } hat die Anfrage genehmigt.
timeline-declined = { $who } hat die Anfrage abgelehnt.
timeline-withdrawn = { $who } hat die Anfrage zurückgezogen.
timeline-replaced = Diese Anfrage wurde durch eine neuere für dieselbe Berechtigung ersetzt.
timeline-expired = Die Anfrage lief ab, bevor { $who } entschieden hat.
timeline-revoked = { $who } hat die Berechtigung widerrufen.
timeline-given-up = { $who } hat auf die Berechtigung verzichtet.
timeline-asked = Angefragte Rechte:
timeline-permission-ends = Die Berechtigung endet zu diesem Zeitpunkt.
timeline-permission-expired = Die Berechtigung ist abgelaufen.
timeline-permission-replaced = Eine neuere Berechtigung hat diese ersetzt.
timeline-inactive = Die Berechtigung wurde inzwischen widerrufen.
timeline-still-active = Die Berechtigung ist aktiv. Sie wurde auch auf anderem Weg erteilt.
timeline-receipt = Beleg dieser Berechtigung herunterladen
timeline-audit-link = Im Audit-Log ansehen

# --- Protokoll
audit-title = Audit-Log
audit-intro = Wer was wann und von wo aus getan hat. Neueste zuerst. Datumsangaben in UTC.
activity-title = Aktivität
activity-intro = Was Sie getan haben und was andere getan haben, das Sie betrifft. Neueste zuerst. Datumsangaben in UTC. Die IP-Adressen Ihrer eigenen Aktivität sehen nur Sie und Administratoren.
audit-action = Aktion
audit-any-action = Alle Aktionen
audit-actor = Benutzer (E-Mail-Adresse oder Nummer)
audit-subject = Betrifft
audit-subject-hint = Zum Beispiel request:12
audit-from = Von Datum
audit-to = Bis Datum
audit-search = Suchen
audit-error-action = Unbekannte Aktion. Wählen Sie eine aus der Liste.
audit-error-person = Kein Benutzer hat diese E-Mail-Adresse oder Nummer.
audit-error-from = Geben Sie ein Datum wie 2030-01-31 ein.
audit-error-to = Geben Sie ein Datum wie 2030-01-31 ein.
audit-empty = Keine Einträge gefunden. Versuchen Sie es mit einer anderen Suche.
audit-newest = Neueste
audit-older = Ältere
audit-you = Sie
audit-automatic = Automatisch
audit-anonymous = Jemand ohne Anmeldung
audit-action-export-created = Export-Token erstellt
audit-action-export-revoked = Export-Token widerrufen
audit-action-export-expired = Export-Token abgelaufen
audit-action-export-first-used = Export-Token zum ersten Mal verwendet
audit-action-request-created = Anfrage erstellt
audit-action-request-resent = E-Mail zur Anfrage erneut gesendet
audit-action-request-replaced = Anfrage durch eine neuere ersetzt
audit-action-request-approved = Anfrage genehmigt
audit-action-request-declined = Anfrage abgelehnt
audit-action-request-withdrawn = Anfrage zurückgezogen
audit-action-request-expired = Anfrage abgelaufen
audit-action-permission-expired = Berechtigung abgelaufen
audit-action-permission-replaced = Berechtigung durch eine neuere ersetzt
audit-action-permissions-imported = Berechtigungen importiert
audit-action-permission-granted = Berechtigung erteilt
audit-action-permission-revoked = Berechtigung widerrufen oder zurückgegeben
audit-action-block-created = Benutzer blockiert
audit-action-block-deleted = Blockierung aufgehoben
audit-action-operation-abandoned = Vorgang vor dem Abschluss abgebrochen
audit-action-user-added = Benutzer hinzugefügt
audit-action-user-renamed = Name eines Benutzers geändert
audit-action-user-password-set = Passwort festgelegt
audit-action-user-password-link-sent = Link zum Festlegen des Passworts gesendet
audit-action-user-disabled = Benutzer deaktiviert
audit-action-user-enabled = Benutzer aktiviert
audit-action-session-opened = Angemeldet
audit-action-session-closed = Abgemeldet
audit-action-key-created = API-Schlüssel erstellt
audit-action-key-revoked = API-Schlüssel widerrufen
audit-action-signing-key-created = Schlüssel für Belege erstellt
audit-action-signing-key-rotated = Schlüssel für Belege ersetzt
audit-action-hub-added = Hub hinzugefügt
audit-action-hub-granted = Rolle im Hub zugewiesen
audit-action-hub-revoked = Rolle im Hub entfernt
audit-action-bundle-added = Paket hinzugefügt
audit-action-bundle-changed = Paket geändert
audit-action-bundle-deleted = Paket gelöscht
audit-action-webhook-created = Webhook erstellt
audit-action-webhook-changed = Webhook geändert
audit-action-webhook-deleted = Webhook gelöscht
audit-action-webhook-secret-rotated = Geheimnis eines Webhooks ersetzt
audit-action-webhook-disabled = Webhook nach Fehlern abgeschaltet
audit-action-webhook-enabled = Webhook durch einen Test wieder eingeschaltet
audit-action-mail-retried = E-Mail erneut in die Warteschlange gestellt
audit-action-users-imported = Benutzer importiert
audit-action-requests-imported = Anfragen importiert
audit-action-records-purged = Alte Datensätze gelöscht

# --- Übersicht und Listen
home-welcome = Guten Tag, { $name }.
home-pending = Wartet auf Sie
home-empty = Keine Anfragen warten auf Sie
home-empty-text = Wenn jemand Sie um eine Berechtigung bittet, erscheint die Anfrage hier und in Ihrem E-Mail-Postfach.
home-expires = Diese Anfrage läuft ab am
home-review = Anfrage ansehen
home-block = Anfragen von { $name } blockieren
home-block-text = Offene Anfragen von { $name } werden abgelehnt, und { $name } kann Ihnen keine neuen senden. Erteilte Berechtigungen bleiben aktiv. Sie können die Blockierung von { $name } unter „Anfragen“ aufheben.
home-block-confirm = Anfragen blockieren
home-overview = Ihr Konto im Überblick
home-requests = Ihre Anfragen
home-requests-count = { $count ->
    [0] Keine offenen Anfragen.
    [one] 1 offene Anfrage.
   *[other] { $count } offene Anfragen.
}
home-granted = Erteilte Berechtigungen
home-granted-count = { $count ->
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
list-range = { $first } bis { $last }
list-previous = Zurück
list-next = Weiter
list-range-of-total = { $first } bis { $last } von { $total }
list-past-end = Es gibt keine weiteren Einträge. Gehen Sie zur vorherigen Seite zurück.
list-actions = Aktionen
back = Zurück
copy = Kopieren
copied = Kopiert
shown-once-notice = Kopieren Sie es jetzt. Sie können es nicht noch einmal ansehen.

flash-declined = Anfrage abgelehnt. Es wurde keine Berechtigung erteilt.
flash-blocked = Benutzer blockiert. Offene Anfragen dieses Benutzers wurden abgelehnt.
flash-requested = Anfrage erstellt. Die E-Mail wird in Kürze gesendet.
flash-withdrawn = Anfrage zurückgezogen. Der Link in der E-Mail funktioniert nicht mehr.
flash-resent = Die E-Mail wird mit demselben Link noch einmal gesendet.
flash-mail-pending = Es wurde keine neue E-Mail gesendet. Die vorherige ist noch in der Warteschlange.
flash-unblocked = Blockierung aufgehoben. Dieser Benutzer kann Ihnen wieder Anfragen senden.
flash-revoked = Berechtigung widerrufen.
flash-given-up = Sie haben auf diese Berechtigung verzichtet.
flash-token-revoked = Token widerrufen. Es funktioniert nicht mehr.
flash-key-created-before = Dieser Schlüssel wurde erstellt, als das Formular zum ersten Mal gesendet wurde. Damals wurde sein Geheimnis angezeigt.
flash-token-created-before = Dieses Token wurde erstellt, als das Formular zum ersten Mal gesendet wurde. Damals wurde sein Geheimnis angezeigt.
flash-key-revoked = API-Schlüssel widerrufen. Er funktioniert in spätestens 5 Sekunden nicht mehr.

# --- Anfragen
requests-title = Anfragen
requests-intro = Berechtigungen, um die Sie andere Benutzer gebeten haben.
requests-pending = Offen
requests-empty = Keine offenen Anfragen
requests-empty-text = Bitten Sie um eine Berechtigung. Die andere Person erhält eine E-Mail und kann genehmigen oder ablehnen.
requests-target = Benutzer
requests-bundle = Berechtigung
requests-created = Angefragt am
requests-expires = Läuft ab am
requests-mail = E-Mail
requests-resend = E-Mail erneut senden
requests-withdraw = Zurückziehen
requests-withdraw-text = Der Link in der E-Mail funktioniert dann nicht mehr.
requests-withdraw-confirm = Anfrage zurückziehen
requests-closed = Kürzlich geschlossen
requests-outcome = Ergebnis
requests-request-again = Erneut anfragen
request-mail-none = Unbekannt
request-mail-queued = In der Warteschlange
request-mail-sending = Wird gesendet
request-mail-delayed = Verzögert
request-mail-sent = Gesendet
request-mail-failed = Fehlgeschlagen
request-mail-next-attempt = Nächster Versuch am
outcome-approved = Genehmigt, inzwischen widerrufen
outcome-active = Genehmigt, aktiv
outcome-granted = Direkt erteilt, inzwischen widerrufen
outcome-ended = Genehmigt, inzwischen abgelaufen
outcome-superseded = Genehmigt, inzwischen durch eine neuere Berechtigung ersetzt
outcome-declined = Abgelehnt
outcome-withdrawn = Zurückgezogen
outcome-replaced = Ersetzt
outcome-expired = Abgelaufen
blocked-title = Blockierte Benutzer
blocked-text = Diese Benutzer können Ihnen keine Anfragen senden.
blocked-user = Benutzer
blocked-unblock = Blockierung aufheben
new-request-title = Berechtigung anfragen
new-request-intro = Die andere Person erhält eine E-Mail mit einem Link, meldet sich an und genehmigt oder lehnt ab. Vorher erhalten Sie keinen Zugriff.
new-request-email = E-Mail-Adresse der anderen Person
new-request-bundle = Berechtigung
new-request-days = Läuft ab nach (Tagen)
new-request-days-hint = { $default }, wenn Sie nichts eingeben; höchstens { $max }.
new-request-fixed-expiry = Gültigkeit der Anfrage: { $default }.
duration-days = { $count ->
    [one] 1 Tag
   *[other] { $count } Tage
 }
duration-hours = { $count ->
    [one] 1 Stunde
   *[other] { $count } Stunden
 }
duration-minutes = { $count ->
    [one] 1 Minute
   *[other] { $count } Minuten
 }
duration-seconds = { $count ->
    [one] 1 Sekunde
   *[other] { $count } Sekunden
 }
new-request-purpose = Grund (optional)
new-request-purpose-hint = Die andere Person sieht ihn in der E-Mail und bei der Entscheidung.
new-request-permission-days = Dauer der Berechtigung in Tagen (optional)
new-request-permission-days-hint = Wenn Sie nichts eingeben, gilt die Berechtigung bis zum Widerruf.
new-request-submit = Anfrage senden
new-request-error-unknown-user = Es gibt kein Konto mit dieser E-Mail-Adresse. Prüfen Sie die Adresse.
new-request-error-self = Das ist Ihre eigene E-Mail-Adresse. Geben Sie die Adresse einer anderen Person ein.
new-request-error-blocked = Dieser Benutzer nimmt keine Anfragen von Ihnen an.
new-request-error-granted = Sie haben diese Berechtigung bereits.
new-request-error-bundle = Diese Berechtigung ist nicht mehr verfügbar. Wählen Sie eine andere.
new-request-rights-summary = Nur einzelne Rechte anfragen
new-request-rights = Angefragte Rechte
new-request-rights-hint = Wenn Sie nichts auswählen, fragen Sie alle Rechte der Berechtigung an.
new-request-needed = Erforderliche Rechte
new-request-needed-hint = Diese kann die andere Person beim Genehmigen nicht abwählen.
new-request-error-rights = Diese Berechtigung enthält nicht alle Rechte, die Sie ausgewählt haben.
new-request-error-needed = Wählen Sie die erforderlichen Rechte auch als angefragte Rechte aus.
new-request-error-days = Geben Sie eine ganze Zahl von Tagen im zulässigen Bereich ein.
new-request-empty = Keine Berechtigungen verfügbar
new-request-empty-text = Ein Administrator muss zuerst Berechtigungen einrichten.

# --- Berechtigungen
access-title = Zugriff
access-bundle = Berechtigung
access-granted-at = Aktiv seit
access-receipt = Beleg
access-granted = Erteilte Berechtigungen
access-granted-text = Diese Benutzer haben Ihre Berechtigung. Sie können sie jederzeit widerrufen.
access-granted-party = Benutzer
access-granted-revoke = Widerrufen
access-granted-revoke-text = { $name } hat dann nicht mehr Ihre Berechtigung: { $bundle }. Um sie wieder zu erhalten, muss { $name } Ihnen eine neue Anfrage senden.
access-granted-empty = Sie haben keine Berechtigungen erteilt
access-granted-empty-text = Wenn Sie eine Anfrage genehmigen, erscheint die Berechtigung hier.
access-received = Erhaltene Berechtigungen
access-received-text = Diese Benutzer haben Ihnen eine Berechtigung erteilt.
access-received-party = Benutzer
access-received-revoke = Verzichten
access-received-revoke-text = Sie haben dann nicht mehr diese Berechtigung von { $name }: { $bundle }. Um sie wieder zu erhalten, müssen Sie eine neue Anfrage senden.
access-received-empty = Sie haben noch keine Berechtigungen
access-received-empty-text = Wenn jemand Ihre Anfrage genehmigt, erscheint die Berechtigung hier.

# --- Export-Token
tokens-title = Export-Token
tokens-intro = Ein Export-Token gibt jedem, der es hat, Zugriff auf eine Datei oder einen Ordner in einem Hub, bis es abläuft oder Sie es widerrufen.
tokens-empty = Noch keine Export-Token
tokens-empty-text = Erstellen Sie ein Token, um eine Datei oder einen Ordner mit jemandem ohne Konto zu teilen.
token-new = Neues Token
token-create = Token erstellen
token-created = Token erstellt
token-value = Token
token-back = Alle Token
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
token-creator = von
hub-tokens-title = Token des Hubs { $id }
hub-tokens-intro = Alle Export-Token dieses Hubs, unabhängig davon, wer sie erstellt hat.
hub-tokens-all = Token aller, nach Hub
hub-tokens-empty = Dieser Hub hat keine Export-Token.
token-status = Status
token-active = Aktiv
token-suspended = Ausgesetzt
token-suspended-text = Sie haben diese Rechte im Hub nicht mehr.
token-expired = Abgelaufen
token-revoked = Widerrufen
token-expires = läuft ab am
token-no-expiry = läuft nicht ab
token-uses = Verwendet
token-use-count = { $count ->
    [0] Nie
    [one] Einmal
   *[other] { $count } Mal
}
token-last-used = zuletzt verwendet am
token-revoke = Widerrufen
token-revoke-text = Das Token funktioniert dann sofort nicht mehr. Das lässt sich nicht rückgängig machen.
token-error-hub = Sie können in diesem Hub kein Token mit diesen Rechten erstellen. Sie müssen Admin des Hubs sein und diese Rechte selbst haben.
token-error-node = Geben Sie die ID einer Datei oder eines Ordners mit höchstens 255 Zeichen ein.
token-error-rights = Wählen Sie mindestens ein Recht aus.
token-error-hours = Wählen Sie aus, wann das Token abläuft.
token-no-hubs = Sie sind in keinem Hub Admin
token-no-hubs-text = Nur Admins und Eigentümer eines Hubs können Token erstellen. Bitten Sie den Eigentümer des Hubs um die Admin-Rolle.

# --- API-Schlüssel
keys-title = API-Schlüssel
keys-intro = Mit einem API-Schlüssel handelt ein Programm in Ihrem Namen, ohne Ihr Passwort zu kennen.
keys-empty = Noch keine API-Schlüssel
keys-empty-text = Erstellen Sie einen Schlüssel für jedes Programm, damit Sie sie einzeln widerrufen können.
key-new = Neuer API-Schlüssel
key-create = API-Schlüssel erstellen
key-created = API-Schlüssel erstellt
key-value = API-Schlüssel
key-back = Alle API-Schlüssel
key-label = Name
key-label-hint = Wofür Sie den Schlüssel verwenden. Nur Sie können das sehen.
key-unnamed = Ohne Namen
key-scope = Umfang
key-scope-all = Voller Zugriff
key-scope-all-hint = Der Schlüssel darf alles, was Sie dürfen.
key-scope-check = Nur Zugriffsentscheidungen
key-scope-check-hint = Für Dienste, die fragen, ob eine Person oder ein Export-Token etwas darf.
key-scope-introspect = Nur Export-Token prüfen
key-scope-introspect-hint = Für Dateiserver, die prüfen, ob ein Token gültig ist. Umfasst Zugriffsentscheidungen.
key-created-at = Erstellt am
key-status = Status
key-active = Aktiv
key-revoked = Widerrufen
key-revoke = Widerrufen
key-revoke-text = Programme, die diesen Schlüssel verwenden, verlieren den Zugriff. Das lässt sich nicht rückgängig machen.
key-error-scope = Nur die Administration kann einen Schlüssel mit diesem Umfang erstellen.
key-error-label = Geben Sie einen einzeiligen Namen mit höchstens 100 Zeichen ein.

# --- Webhooks
webhooks-title = Webhooks
webhooks-intro = Ein Webhook ist die Adresse eines Programms, das Ereignisse wie eine genehmigte Anfrage erhält, sobald sie geschehen.
webhooks-empty = Noch keine Webhooks
webhooks-empty-text = Erstellen Sie einen für jedes Programm, das Ereignisse erhalten soll.
webhook-new = Neuer Webhook
webhook-create = Webhook erstellen
webhook-created = Webhook erstellt
webhook-title = Webhook { $id }
webhook-open = Webhook öffnen
webhook-back = Zurück zum Webhook
webhook-all = Alle Webhooks
webhook-url = URL
webhook-url-hint = Eine Adresse, die mit https:// beginnt, auf einem aus dem Internet erreichbaren Server.
webhook-description = Beschreibung
webhook-scope = Wessen Ereignisse
webhook-scope-own = Nur was mich betrifft
webhook-scope-own-hint = Die Ereignisse Ihrer Aktivitätsliste.
webhook-scope-all = Alles
webhook-scope-all-hint = Die Ereignisse aller Benutzer. Für Administratoren.
webhook-events = Ereignisse
webhook-events-hint = Nur diese erhält das Programm. „Alle“ umfasst auch Ereignisse, die spätere Versionen hinzufügen.
webhook-group-all = Alle
webhook-group-single = Einzelne Ereignisse wählen
webhook-group-request = Anfragen
webhook-group-permission = Berechtigungen
webhook-group-export = Export-Token
webhook-group-key = API-Schlüssel
webhook-group-block = Blockierte Benutzer
webhook-group-session = Anmeldungen
webhook-group-user = Konto
webhook-group-hub = Hubs
webhook-group-webhook = Webhooks
webhook-group-bundle = Pakete
webhook-group-signing_key = Schlüssel für Belege
webhook-group-mail = E-Mails
webhook-group-users = Import von Benutzern
webhook-group-requests = Import von Anfragen
webhook-group-permissions = Import von Berechtigungen
webhook-group-records = Alte Datensätze
webhook-status = Status
webhook-active = Aktiv
webhook-active-hint = Ereignisse werden gesendet. Beim Einschalten werden die Fehler vergessen.
webhook-failing = Fehlerhaft
webhook-disabled = Abgeschaltet
webhook-reason-short-owner = Ausgeschaltet
webhook-reason-short-gone = Empfänger will nichts mehr
webhook-reason-short-failing = Zu viele Fehler
webhook-disabled-owner = Sie haben diesen Webhook ausgeschaltet.
webhook-disabled-gone = Der Server hat diesen Webhook abgeschaltet: Sein Empfänger hat geantwortet, dass er keine Ereignisse mehr möchte (410).
webhook-disabled-failing = Der Server hat diesen Webhook abgeschaltet: Drei Tage lang konnte kein Ereignis zugestellt werden.
webhook-enable-owner = Ereignisse werden für ihn nicht vorgemerkt. Öffnen Sie unten „Ändern“ und wählen Sie „Aktiv“, um ihn einzuschalten.
webhook-enable-test = Ereignisse werden für ihn nicht vorgemerkt. Beheben Sie den Fehler des Empfängers und senden Sie einen Test. Gelingt er, ist der Webhook wieder aktiv. Danach können Sie noch einmal senden, was nicht zugestellt wurde.
webhook-failing-text = { $count ->
    [one] Der letzte Versuch ist gescheitert. Der Server versucht es weiter. Fehlerhaft seit
   *[other] Die letzten { $count } Versuche sind gescheitert. Der Server versucht es weiter. Fehlerhaft seit
}
webhook-last-delivered = Letzter Erfolg
webhook-none-delivered = Keiner in den letzten 30 Tagen
webhook-created-at = Erstellt am
webhook-test = Test senden
webhook-test-hint = Sendet das Ereignis webhook.test. Das Ergebnis steht unten; laden Sie dazu die Seite neu.
webhook-event-test = Test
webhook-secret = Geheimnis
webhook-verify = So prüfen Sie Zustellungen
webhook-verify-header = Verbinden Sie den Header webhook-id, den Header webhook-timestamp und den Inhalt, wie sie empfangen wurden, durch Punkte, und berechnen Sie den HMAC-SHA256. Sein Base64, nach „v1,“, muss eine der Signaturen im Header webhook-signature sein, die durch Leerzeichen getrennt sind. Weisen Sie eine Zeit ab, die um mehr als fünf Minuten abweicht.
webhook-verify-key = Der Schlüssel des HMAC ist das dekodierte Base64, das im Geheimnis nach whsec_ steht.
webhook-verify-once = Antworten Sie innerhalb von 15 Sekunden mit 2xx, und ignorieren Sie eine webhook-id, die Sie schon kennen: Ein Ereignis kann mehrmals gesendet werden.
webhook-verify-libraries = Bibliotheken von Standard Webhooks
webhook-manage = Verwalten
webhook-change = Ändern
webhook-save = Speichern
webhook-rotate = Neues Geheimnis
webhook-rotate-hint = Nach einem Wechsel haben Zustellungen 24 Stunden lang zwei Signaturen: vom neuen und vom bisherigen Geheimnis. Ersetzen Sie es in dieser Zeit in Ihrem Programm.
webhook-rotate-text = Das neue Geheimnis wird einmal angezeigt. Das jetzige signiert noch 24 Stunden; eines, das zuvor ersetzt wurde, signiert ab sofort nicht mehr.
webhook-rotated = Neues Geheimnis
webhook-rotated-text = 24 Stunden lang werden Zustellungen mit beiden Geheimnissen signiert. Ersetzen Sie es in dieser Zeit in Ihrem Programm.
webhook-delete = Löschen
webhook-delete-text = Ereignisse, die noch nicht zugestellt sind, werden nicht gesendet. Das lässt sich nicht rückgängig machen.
webhook-deliveries = Zustellungen
webhook-event = Ereignis
webhook-queued = Vorgemerkt am
webhook-delivery-status = Status
webhook-attempts = Versuche
webhook-any-status = Jeder Status
webhook-any-event = Alle Ereignisse
webhook-filter = Filtern
webhook-delivery-waiting = Wartet
webhook-delivery-sending = Wird gesendet
webhook-delivery-delivered = Zugestellt
webhook-delivery-failed = Gescheitert
webhook-delivery-cancelled = Abgebrochen
webhook-http-status = Antwort { $status }
webhook-duration = { $milliseconds } ms
webhook-next-attempt = Nächster Versuch am
webhook-no-deliveries = Noch keine Zustellungen
webhook-no-deliveries-text = Hier stehen die Zustellungen der letzten 30 Tage.
webhook-no-such-deliveries = Keine Zustellungen gefunden. Versuchen Sie einen anderen Filter.
webhook-replay = Erneut senden
webhook-replay-label = Erneut senden: { $event }, { $id }
webhook-replay-since = Nicht Zugestelltes erneut senden
webhook-replay-since-button = Erneut senden
webhook-since = Seit
webhook-since-hint = Der Tag in UTC. Alles, was seitdem gescheitert ist oder abgebrochen wurde, wird erneut gesendet.
webhook-replay-delivered = Auch was zugestellt wurde
webhook-reason-url-refused = Die Adresse ist nicht erlaubt
webhook-reason-name-not-found = Unbekannter Hostname
webhook-reason-connection-failed = Keine Verbindung
webhook-reason-certificate-invalid = Ungültiges Zertifikat
webhook-reason-tls-failed = TLS gescheitert
webhook-reason-proxy-failed = Der Proxy ist gescheitert
webhook-reason-timeout = Keine Antwort innerhalb von 15 Sekunden
webhook-reason-response-invalid = Ungültige Antwort
webhook-reason-redirected = Weiterleitungen wird nicht gefolgt
webhook-reason-error-status = Fehlerantwort
webhook-reason-body-invalid = Das Ereignis konnte nicht geschrieben werden
webhook-reason-secret-unreadable = Der Server kann das Geheimnis nicht lesen; erstellen Sie ein neues
webhook-error-url = Geben Sie eine Adresse ein, die mit https:// beginnt und zu einem aus dem Internet erreichbaren Server führt, ohne Benutzernamen, Port und #.
webhook-error-events = Wählen Sie mindestens ein Ereignis und höchstens 50. Für mehr wählen Sie „Alle“ einer Gruppe.
webhook-error-description = Geben Sie eine einzeilige Beschreibung mit höchstens 1.000 Zeichen ein.
webhook-error-scope = Nur Administratoren können die Ereignisse aller Benutzer erhalten.
webhook-error-too-many = Sie haben 20 Webhooks; mehr sind nicht möglich. Löschen Sie zuerst einen.
webhook-error-since = Geben Sie ein Datum wie 2030-01-31 ein.
flash-webhook-deleted = Webhook gelöscht. Es wird nichts mehr an ihn gesendet.
flash-webhook-created-before = Dieser Webhook wurde erstellt, als das Formular zum ersten Mal gesendet wurde. Damals wurde sein Geheimnis angezeigt.
flash-webhook-changed = Webhook geändert.
flash-webhook-tested = Ein Test wird gesendet. Laden Sie die Seite gleich neu, um das Ergebnis zu sehen.
flash-webhook-rotated-before = Das Geheimnis wurde ersetzt, als das Formular zum ersten Mal gesendet wurde. Damals wurde das neue angezeigt.
flash-webhook-is-off = Der Webhook ist abgeschaltet. Es wurde nichts vorgemerkt.
flash-webhook-replayed = Das Ereignis wird erneut gesendet.
flash-webhook-replayed-all = { $count ->
    [0] Es gibt nichts erneut zu senden.
    [one] Ein Ereignis wird erneut gesendet.
   *[other] { $count } Ereignisse werden erneut gesendet.
}
flash-webhook-replayed-some = { $count } Ereignisse werden erneut gesendet. Es gibt noch mehr: Wiederholen Sie es, wenn sie gesendet sind.
