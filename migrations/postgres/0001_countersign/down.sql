DROP TABLE events, outbox, bundle_permissions, permission_requests, export_uses, export_tokens, bundles,
    hub_members, hubs, api_keys, users;
