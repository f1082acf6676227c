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
list-previous = Zurück
list-next = Weiter
list-where = { $first } bis { $last } von { $total }
list-beyond = So lang ist die Liste nicht.
list-deeds = Was Sie tun können
back = Zurück
copy = Kopieren
copied = Kopiert
secret-once = Kopieren Sie es jetzt: Es wird nur dieses eine Mal gezeigt und lässt sich nicht noch einmal zeigen.

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
ask-days-hint = { $usual } Tage, wenn Sie nichts anderes sagen; höchstens { $most }.
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
token-wrong-hub = Diese Rechte können Sie in diesem Hub nicht geben: Sie müssen ihn verwalten und die Rechte selbst haben.
token-wrong-node = Gebraucht wird die Kennung einer Datei oder eines Ordners, höchstens 255 Zeichen.
token-wrong-rights = Bitte wählen Sie mindestens eines.
token-wrong-hours = Bitte wählen Sie eines davon.
token-no-hubs = Sie verwalten keinen Hub
token-no-hubs-words = Token macht, wer einen Hub verwaltet. Fragen Sie, wem er gehört.

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
