# The consent statement in German, version 1. Do not change this file: receipts name its version. Another wording is a
# new file.
asks = { $requester } bittet Sie um eine Berechtigung: „{ $bundle }“.
about = Sie ist so beschrieben: „{ $description }“
purpose = Der Zweck, in den Worten der anfragenden Person: „{ $purpose }“
no-purpose = Die anfragende Person hat keinen Zweck angegeben.
rights = Wenn Sie alles genehmigen, worum gebeten wird, darf { $requester }:
right-anyone = sehen, was alle sehen dürfen
right-read = Ihre Daten ansehen
right-get = Ihre Daten herunterladen
right-write = Ihre Daten ändern und löschen
right-admin = Ihre Daten verwalten
right-owner = Ihre Daten vollständig kontrollieren
minimum = Die anfragende Person braucht mindestens:
until-revoked = Die Berechtigung hat kein Ende: Sie gilt, bis sie widerrufen wird.
days = { $count ->
    [one] Die Berechtigung endet einen Tag, nachdem Sie sie genehmigt haben.
   *[other] Die Berechtigung endet { $count } Tage, nachdem Sie sie genehmigt haben.
}
hours = { $count ->
    [one] Die Berechtigung endet eine Stunde, nachdem Sie sie genehmigt haben.
   *[other] Die Berechtigung endet { $count } Stunden, nachdem Sie sie genehmigt haben.
}
minutes = { $count ->
    [one] Die Berechtigung endet eine Minute, nachdem Sie sie genehmigt haben.
   *[other] Die Berechtigung endet { $count } Minuten, nachdem Sie sie genehmigt haben.
}
seconds = { $count ->
    [one] Die Berechtigung endet eine Sekunde, nachdem Sie sie genehmigt haben.
   *[other] Die Berechtigung endet { $count } Sekunden, nachdem Sie sie genehmigt haben.
}
voluntary = Ihre Einwilligung ist freiwillig. Sie können sie auf diesem Server jederzeit widerrufen; was bis dahin geschehen ist, bleibt rechtmäßig.
