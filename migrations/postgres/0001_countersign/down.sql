DROP VIEW bundle_permissions;
DROP DOMAIN unchanged;
DROP TABLE events, link_views, outbox, password_links, meters, blocks, tallies, permission_requests, export_uses,
    export_tokens, bundles, hub_members, hubs, sessions, api_keys, users;
