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

# --- Was aus einer Anfrage wurde
timeline-title = Anfrage { $number }
timeline-of = { $allowed } bittet { $target } um diese Erlaubnis.
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
timeline-why-server = Der Mailserver war beschäftigt oder nicht zu erreichen.
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
did-export-created = Ein Export-Token wurde erstellt
did-export-revoked = Ein Export-Token wurde widerrufen
did-request-created = Um eine Erlaubnis wurde gebeten
did-request-replaced = Eine Anfrage wurde durch eine neuere ersetzt
did-request-redeemed = Einer Anfrage wurde zugestimmt
did-request-declined = Eine Anfrage wurde abgelehnt
did-request-withdrawn = Eine Anfrage wurde zurückgezogen
did-grant-created = Eine Erlaubnis wurde gegeben
did-grant-deleted = Eine Erlaubnis wurde zurückgenommen oder zurückgegeben
did-block-created = Jemand wurde gesperrt
did-block-deleted = Eine Sperre wurde aufgehoben
did-deed-abandoned = Etwas wurde aufgegeben, bevor es geschah
did-user-added = Ein Konto wurde angelegt
did-user-renamed = Ein Name wurde geändert
did-user-password-set = Ein Passwort wurde gesetzt
did-user-disabled = Ein Konto wurde gesperrt
did-user-enabled = Ein Konto wurde entsperrt
did-session-opened = Jemand hat sich angemeldet
did-session-closed = Jemand hat sich abgemeldet
did-key-created = Ein API-Schlüssel wurde erstellt
did-key-revoked = Ein API-Schlüssel wurde widerrufen
did-hub-added = Ein Hub wurde angelegt
did-hub-granted = Eine Rolle in einem Hub wurde gegeben
did-hub-revoked = Eine Rolle in einem Hub wurde genommen
did-bundle-added = Ein Paket wurde angelegt
did-bundle-changed = Ein Paket wurde geändert
did-bundle-deleted = Ein Paket wurde gelöscht
did-mail-retried = Eine Mail wurde wieder bereitgestellt
did-users-imported = Konten wurden importiert
did-requests-imported = Anfragen wurden importiert
did-records-purged = Was lange vorbei war, wurde gelöscht
