# Was Menschen auf Deutsch lesen. Die Schlüssel stehen in der Reihenfolge von en.ftl.

# --- Überall
skip = Zum Inhalt
nav = Seiten
nav-home = Übersicht
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
rights-intro = Wenn Sie zustimmen, erlauben Sie:
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
