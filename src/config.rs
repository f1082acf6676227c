pub enum DatabaseUrl {
    Postgres(secrecy::SecretString),
    Sqlite(std::path::PathBuf),
}
