//! A guest book in a MySQL or MariaDB database: `GET /` lists the last entries, `POST /` with `{"name", "text"}` adds
//! one. The initializer connects and makes the table; each call of the handler uses that connection, and makes a new
//! one if the old one broke while the instance was idle.

use std::{env, sync::Mutex};

use mysql::{Connection, Login, QueryError};
use serde::{Deserialize, Serialize};
use wisp_sdk::{
    Error,
    http::{IntoResponse as _, Json, Method, Request, Response, StatusCode},
};

mod mysql;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS entries (id INT AUTO_INCREMENT PRIMARY KEY, name TEXT, text TEXT) \
                     DEFAULT CHARSET utf8mb4";
const LAST: &str = "SELECT id, name, text FROM entries ORDER BY id DESC LIMIT 10";

/// The instance's connection, while no call uses it.
static CONNECTION: Mutex<Option<Connection>> = Mutex::new(None);

#[derive(Deserialize)]
struct NewEntry {
    name: String,
    text: String,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    name: String,
    text: String,
}

#[wisp_sdk::initializer]
async fn initialize() -> Result<(), QueryError> {
    let mut connection = connect().await?;
    connection.query(TABLE).await?;
    keep(connection);
    Ok(())
}

#[wisp_sdk::http_handler]
async fn serve(request: Request) -> Result<Response, Error> {
    match *request.method() {
        Method::GET => Json(entries(query(LAST).await?)).into_response(),
        Method::POST => match request.body().json::<NewEntry>() {
            Ok(entry) => add(&entry).await,
            Err(error) => (StatusCode::BAD_REQUEST, format!("send a name and a text as JSON: {error}")).into_response(),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn add(entry: &NewEntry) -> Result<Response, Error> {
    let (name, text) = (mysql::literal(&entry.name), mysql::literal(&entry.text));
    query(&format!("INSERT INTO entries (name, text) VALUES ({name}, {text})")).await?;
    StatusCode::CREATED.into_response()
}

/// Takes the connection while it is used: a call that is given up in the middle leaves none rather than a broken one.
/// A statement whose connection broke is sent again, so an entry may be there twice if that was before the answer came.
async fn query(sql: &str) -> Result<Vec<Vec<Option<String>>>, QueryError> {
    if let Some(mut connection) = taken() {
        match connection.query(sql).await {
            // The server ends connections that were idle for hours.
            Err(QueryError::Connection(_)) => {}
            result => {
                keep(connection);
                return result;
            }
        }
    }
    let mut connection = connect().await?;
    let rows = connection.query(sql).await?;
    keep(connection);
    Ok(rows)
}

async fn connect() -> Result<Connection, QueryError> {
    let setting = |name: &str| env::var(name).unwrap_or_default();
    let login =
        Login { user: setting("MYSQL_USER"), password: setting("MYSQL_PASSWORD"), database: setting("MYSQL_DATABASE") };
    Connection::open(&setting("MYSQL_ADDRESS"), &login).await
}

fn taken() -> Option<Connection> {
    CONNECTION.lock().ok()?.take()
}

fn keep(connection: Connection) {
    if let Ok(mut kept) = CONNECTION.lock() {
        *kept = Some(connection);
    }
}

fn entries(rows: Vec<Vec<Option<String>>>) -> Vec<Entry> {
    let entry = |row: Vec<Option<String>>| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        Some(Entry { id: values.next()?, name: values.next()?, text: values.next()? })
    };
    rows.into_iter().filter_map(entry).collect()
}
