// A guest book in MySQL: the initializer connects and makes the table, the handler reads and writes.
const mysql = require('mysql2/promise');

let pool;

exports.initializer = async function (context) {
  pool = mysql.createPool({
    host: process.env.MYSQL_HOST,
    port: Number(process.env.MYSQL_PORT),
    user: process.env.MYSQL_USER,
    password: process.env.MYSQL_PASSWORD,
    database: process.env.MYSQL_DATABASE,
    connectionLimit: 1,
  });
  await pool.query(
    'CREATE TABLE IF NOT EXISTS guests (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL, ' +
      'came TIMESTAMP DEFAULT CURRENT_TIMESTAMP) CHARACTER SET utf8mb4',
  );
  context.logger.info('the guest book is open');
};

exports.preStop = async function () {
  await pool.end();
};

exports.handler = async function (req, resp, context) {
  resp.setHeader('content-type', 'application/json; charset=utf-8');
  if (req.method === 'GET') {
    const [guests] = await pool.query('SELECT id, name FROM guests ORDER BY id');
    return resp.send(JSON.stringify(guests));
  }
  const name = nameIn(req.body);
  if (!name) {
    resp.setStatusCode(400);
    return resp.send(JSON.stringify({ error: 'send a JSON object such as {"name": "Ada"}' }));
  }
  const [{ insertId }] = await pool.execute('INSERT INTO guests (name) VALUES (?)', [name]);
  resp.setStatusCode(201);
  resp.send(JSON.stringify({ id: insertId, name }));
};

function nameIn(body) {
  try {
    const { name } = JSON.parse(body.toString());
    return typeof name === 'string' && name.trim().slice(0, 80);
  } catch {
    return undefined;
  }
}
