// A list of things to do, as JSON over HTTP:
//   GET /todos?done=false   POST /todos {"title": "…"}   GET, PATCH {"done": true} and DELETE /todos/<id>
// The list lives in the instance: another instance has its own, so a real service would keep it in a database.

const todos = new Map();
let nextId = 1;
let initializedAt;

export const initializer = {
  initialize() {
    add('read the tour');
    add('write a function');
    initializedAt = new Date().toISOString();
  },
};

export const httpHandler = {
  handle(request) {
    try {
      return route(request);
    } catch (error) {
      if (error instanceof Refusal) return json(error.status, { errorMessage: error.message }, error.headers);
      throw error;
    }
  },
};

function route(request) {
  const [collection, id, ...rest] = request.path.split('/').filter(Boolean);
  if (collection !== 'todos' || rest.length > 0) throw new Refusal(404, `there is nothing at ${request.path}`);
  const methods = id === undefined ? { GET: list, POST: create } : { GET: read, PATCH: update, DELETE: remove };
  const method = methods[request.method];
  if (!method) {
    const allow = Object.keys(methods).join(', ');
    throw new Refusal(405, `${request.method} is not for ${request.path}: use ${allow}`, [['allow', allow]]);
  }
  return method(request, id);
}

function list({ queries }) {
  const done = queries.find(([name]) => name === 'done')?.[1];
  if (![undefined, 'true', 'false'].includes(done)) throw new Refusal(400, 'done is true or false');
  const chosen = [...todos.values()].filter((todo) => done === undefined || String(todo.done) === done);
  return json(200, { todos: chosen, initializedAt });
}

function create(request) {
  const { title } = parse(request);
  if (typeof title !== 'string' || title.trim() === '') throw new Refusal(400, 'title must be a text');
  const todo = add(title.trim());
  return json(201, todo, [['location', `/todos/${todo.id}`]]);
}

function read(_request, id) {
  return json(200, find(id));
}

function update(request, id) {
  const todo = find(id);
  const { done } = parse(request);
  if (typeof done !== 'boolean') throw new Refusal(400, 'done must be true or false');
  return json(200, Object.assign(todo, { done }));
}

function remove(_request, id) {
  todos.delete(find(id).id);
  return { statusCode: 204, headers: [], body: new Uint8Array() };
}

function add(title) {
  const todo = { id: nextId++, title, done: false };
  todos.set(todo.id, todo);
  return todo;
}

function find(id) {
  const todo = todos.get(Number(id));
  if (!todo) throw new Refusal(404, `there is no todo ${id}`);
  return todo;
}

function parse({ headers, body }) {
  const type = headers.find(([name]) => name === 'content-type')?.[1] ?? 'application/json';
  if (!type.startsWith('application/json')) throw new Refusal(415, `send application/json, not ${type}`);
  try {
    return Object(JSON.parse(new TextDecoder().decode(body)));
  } catch (error) {
    throw new Refusal(400, `the body is no JSON: ${error.message}`);
  }
}

function json(statusCode, value, headers = []) {
  const body = new TextEncoder().encode(JSON.stringify(value));
  return { statusCode, headers: [['content-type', 'application/json'], ...headers], body };
}

class Refusal extends Error {
  constructor(status, message, headers = []) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}
