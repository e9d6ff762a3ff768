#include "client/samples/orders/customer_service/customers.hpp"

#include "client/samples/orders/common/messages.hpp"

namespace shop {

namespace {

constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS customer (
  id           TEXT PRIMARY KEY,
  name         TEXT NOT NULL,
  credit_limit INTEGER NOT NULL,
  reserved     INTEGER NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND credit_limit)
);
CREATE TABLE IF NOT EXISTS reservation (
  order_id TEXT PRIMARY KEY,
  customer TEXT NOT NULL REFERENCES customer,
  amount   INTEGER NOT NULL
) WITHOUT ROWID;
)";

customer customer_in(const skald::outbox::sqlite_statement& row) {
  return {.id = row.bytes(0), .name = row.bytes(1), .limit = row.integer(2), .reserved = row.integer(3)};
}

}  // namespace

customers::customers(sqlite3* connection) : connection_(connection) {
  skald::outbox::execute_sqlite(connection_, schema);
}

bool customers::add(const customer& one, skald::outbox::transaction& change) {
  insert_
      .on(connection_,
          "INSERT INTO customer (id, name, credit_limit) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
      .bind_text(1, one.id)
      .bind_text(2, one.name)
      .bind(3, one.limit)
      .run();
  if (sqlite3_changes(connection_) == 0) return false;
  publish(change, customer_events, one.id,
          customer_created{.customer = one.id, .name = one.name, .limit = one.limit});
  return true;
}

std::optional<customer> customers::find(std::string_view id) {
  select_.on(connection_, "SELECT id, name, credit_limit, reserved FROM customer WHERE id = ?1")
      .bind_text(1, id);
  std::optional<customer> found;
  while (select_.step()) found = customer_in(select_);
  return found;
}

std::vector<customer> customers::list() {
  select_all_.on(connection_, "SELECT id, name, credit_limit, reserved FROM customer ORDER BY id");
  std::vector<customer> all;
  while (select_all_.step()) all.push_back(customer_in(select_all_));
  return all;
}

reservation customers::reserve(std::string_view order, std::string_view customer_id, std::int64_t amount) {
  if (is_reserved(order)) return reservation::made;
  reserve_
      .on(connection_,
          "UPDATE customer SET reserved = reserved + ?2 WHERE id = ?1 AND reserved + ?2 <= credit_limit")
      .bind_text(1, customer_id)
      .bind(2, amount)
      .run();
  if (sqlite3_changes(connection_) == 0)
    return find(customer_id) ? reservation::insufficient_credit : reservation::unknown_customer;
  note_.on(connection_, "INSERT INTO reservation (order_id, customer, amount) VALUES (?1, ?2, ?3)")
      .bind_text(1, order)
      .bind_text(2, customer_id)
      .bind(3, amount)
      .run();
  return reservation::made;
}

std::optional<released_credit> customers::release(std::string_view order) {
  forget_.on(connection_, "DELETE FROM reservation WHERE order_id = ?1 RETURNING customer, amount")
      .bind_text(1, order);
  std::optional<released_credit> credit;
  while (forget_.step()) credit = {.customer = forget_.bytes(0), .amount = forget_.integer(1)};
  if (!credit) return credit;
  release_.on(connection_, "UPDATE customer SET reserved = reserved - ?2 WHERE id = ?1")
      .bind_text(1, credit->customer)
      .bind(2, credit->amount)
      .run();
  return credit;
}

bool customers::is_reserved(std::string_view order) {
  noted_.on(connection_, "SELECT 1 FROM reservation WHERE order_id = ?1").bind_text(1, order);
  bool found = false;
  while (noted_.step()) found = true;
  return found;
}

}  // namespace shop
