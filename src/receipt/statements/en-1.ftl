# The consent statement in English, version 1. Do not change this file: receipts name its version. Another wording is a
# new file.
asks = { $requester } asks you for a permission: “{ $bundle }”.
about = It is described as: “{ $description }”
purpose = The purpose, in the words of the requester: “{ $purpose }”
no-purpose = The requester has stated no purpose.
rights = If you approve everything that is asked for, { $requester } can:
right-anyone = see what anyone can see
right-read = view your data
right-get = download your data
right-write = change and delete your data
right-admin = manage your data
right-owner = have full control of your data
minimum = The requester needs at least:
until-revoked = The permission has no end: it lasts until it is revoked.
days = { $count ->
    [one] The permission ends one day after you approve it.
   *[other] The permission ends { $count } days after you approve it.
}
hours = { $count ->
    [one] The permission ends one hour after you approve it.
   *[other] The permission ends { $count } hours after you approve it.
}
minutes = { $count ->
    [one] The permission ends one minute after you approve it.
   *[other] The permission ends { $count } minutes after you approve it.
}
seconds = { $count ->
    [one] The permission ends one second after you approve it.
   *[other] The permission ends { $count } seconds after you approve it.
}
voluntary = Your consent is voluntary. You can revoke it on this server at any time; what was done until then stays lawful.
