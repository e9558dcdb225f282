-- SPDX-License-Identifier: GPL-2.0-only
-- The order book of a mail-order shop.  Loading it writes to eight tables and as
-- many indexes, not only to the end of one.
CREATE TABLE country (
	code TEXT PRIMARY KEY CHECK (length(code) = 2),
	name TEXT NOT NULL UNIQUE
) WITHOUT ROWID;

CREATE TABLE customer (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	email TEXT NOT NULL UNIQUE,
	street TEXT NOT NULL,
	city TEXT NOT NULL,
	country TEXT NOT NULL REFERENCES country (code),
	since TEXT NOT NULL
);
CREATE INDEX customer_city ON customer (country, city);
CREATE INDEX customer_name ON customer (name COLLATE NOCASE);

CREATE TABLE product (
	sku TEXT PRIMARY KEY,
	title TEXT NOT NULL,
	description TEXT NOT NULL,
	cents INTEGER NOT NULL CHECK (cents > 0)
) WITHOUT ROWID;
CREATE INDEX product_title ON product (title);

CREATE TABLE stock (
	warehouse INTEGER NOT NULL,
	sku TEXT NOT NULL REFERENCES product (sku),
	quantity INTEGER NOT NULL,
	PRIMARY KEY (warehouse, sku)
) WITHOUT ROWID;

CREATE TABLE orders (
	id INTEGER PRIMARY KEY,
	customer INTEGER NOT NULL REFERENCES customer (id),
	warehouse INTEGER NOT NULL,
	placed TEXT NOT NULL,
	status TEXT NOT NULL CHECK (status IN ('open', 'sent', 'returned')),
	note TEXT
);
CREATE INDEX orders_customer ON orders (customer, placed);
CREATE INDEX orders_open ON orders (placed) WHERE status = 'open';

CREATE TABLE line (
	orders INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
	number INTEGER NOT NULL,
	sku TEXT NOT NULL REFERENCES product (sku),
	quantity INTEGER NOT NULL CHECK (quantity > 0),
	cents INTEGER NOT NULL,
	PRIMARY KEY (orders, number)
) WITHOUT ROWID;
CREATE INDEX line_sku ON line (sku);

CREATE TABLE payment (
	id INTEGER PRIMARY KEY,
	orders INTEGER NOT NULL UNIQUE REFERENCES orders (id),
	cents INTEGER NOT NULL,
	reference BLOB NOT NULL
);

CREATE TABLE log (
	id INTEGER PRIMARY KEY,
	orders INTEGER NOT NULL REFERENCES orders (id),
	event TEXT NOT NULL
);
CREATE INDEX log_orders ON log (orders);

CREATE TRIGGER line_takes_stock AFTER INSERT ON line
BEGIN
	UPDATE stock SET quantity = quantity - new.quantity
	WHERE sku = new.sku
	AND warehouse = (SELECT warehouse FROM orders WHERE id = new.orders);
END;

CREATE VIEW order_total AS
	SELECT orders, count(*) AS lines, sum(quantity * cents) AS cents
	FROM line GROUP BY orders;
