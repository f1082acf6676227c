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
