// Prices an order: {"currency": "USD", "items": [{"sku": "pen", "price": 1.5, "quantity": 4}]} in, totals out.
// The initializer loads the table of exchange rates; every event uses it.

let rates;
let initializedAt;
let calls = 0;

export const initializer = {
  initialize() {
    // A real function would fetch them here, once per instance and not once per event.
    rates = new Map([['EUR', 1], ['USD', 1.17], ['GBP', 0.87], ['JPY', 172.4], ['CNY', 8.31]]);
    initializedAt = Date.now();
    console.log(`${rates.size} rates are loaded`);
  },
};

export const eventHandler = {
  handle(event, context) {
    const order = parse(event);
    const rate = rates.get(order.currency ?? 'EUR');
    if (!rate) throw failure('UnknownCurrency', `no rate for ${order.currency}: use ${[...rates.keys()].join(', ')}`);
    const net = order.items.reduce((sum, item, index) => sum + lineTotal(item, index), 0);
    const discount = net >= 100 ? 0.05 : 0;
    return encode({
      currency: order.currency ?? 'EUR',
      net: round(net),
      discount: round(net * discount),
      total: round(net * (1 - discount)),
      totalInEuro: round((net * (1 - discount)) / rate),
      requestId: context.requestId,
      initializedAt,
      calls: ++calls,
    });
  },
};

function parse(event) {
  let order;
  try {
    order = JSON.parse(new TextDecoder().decode(event));
  } catch (error) {
    throw failure('InvalidOrder', `the event is no JSON: ${error.message}`);
  }
  if (!Array.isArray(order?.items) || order.items.length === 0) throw failure('InvalidOrder', 'the order has no items');
  return order;
}

function lineTotal({ sku, price, quantity = 1 }, index) {
  if (!(price >= 0) || !(quantity > 0)) {
    throw failure('InvalidOrder', `item ${index + 1} (${sku ?? 'no sku'}) needs a price and a quantity above 0`);
  }
  return price * quantity;
}

// What is thrown must be this plain object: the world says so. Its document reaches the caller.
function failure(errorType, errorMessage) {
  return { kind: 'handled', document: JSON.stringify({ errorType, errorMessage }) };
}

function encode(value) {
  return new TextEncoder().encode(JSON.stringify(value));
}

function round(amount) {
  return Math.round(amount * 100) / 100;
}
