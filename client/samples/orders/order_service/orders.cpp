#include "client/samples/orders/order_service/orders.hpp"

#include "client/samples/orders/common/messages.hpp"

namespace shop {

using skald::outbox::transaction;

namespace {

constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS customer_order (
  id       TEXT PRIMARY KEY,
  customer TEXT NOT NULL,
  amount   INTEGER NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('PENDING', 'CREDIT_CONFIRMED', 'REJECTED', 'CANCELLED')),
  reason   TEXT NOT NULL DEFAULT ''
);
)";

order order_in(const skald::outbox::sqlite_statement& row) {
  return {.id = row.bytes(0),
          .customer = row.bytes(1),
          .amount = row.integer(2),
          .state = row.bytes(3),
          .reason = row.bytes(4)};
}

}  // namespace

orders::orders(sqlite3* connection) : connection_(connection) {
  skald::outbox::execute_sqlite(connection_, schema);
}

bool orders::place(const order& one, transaction& change) {
  insert_
      .on(connection_,
          "INSERT INTO customer_order (id, customer, amount, state) VALUES (?1, ?2, ?3, ?4) "
          "ON CONFLICT DO NOTHING")
      .bind_text(1, one.id)
      .bind_text(2, one.customer)
      .bind(3, one.amount)
      .bind_text(4, order_state::pending)
      .run();
  if (sqlite3_changes(connection_) == 0) return false;
  publish(change, order_events, one.id,
          order_created{.order = one.id, .customer = one.customer, .amount = one.amount});
  return true;
}

void orders::confirm(std::string_view id, transaction& change) {
  if (move(id, order_state::pending, order_state::confirmed))
    publish(change, order_events, id, order_confirmed{.order = std::string(id)});
}

void orders::reject(std::string_view id, std::string_view reason, transaction& change) {
  if (move(id, order_state::pending, order_state::rejected, reason))
    publish(change, order_events, id,
            order_rejected{.order = std::string(id), .reason = std::string(reason)});
}

bool orders::cancel(std::string_view id, transaction& change) {
  if (!move(id, order_state::confirmed, order_state::cancelled)) return false;
  publish(change, order_events, id, order_cancelled{.order = std::string(id)});
  return true;
}

std::optional<order> orders::find(std::string_view id) {
  select_.on(connection_, "SELECT id, customer, amount, state, reason FROM customer_order WHERE id = ?1")
      .bind_text(1, id);
  std::optional<order> found;
  while (select_.step()) found = order_in(select_);
  return found;
}

std::vector<order> orders::list() {
  select_all_.on(connection_, "SELECT id, customer, amount, state, reason FROM customer_order ORDER BY id");
  std::vector<order> all;
  while (select_all_.step()) all.push_back(order_in(select_all_));
  return all;
}

bool orders::move(std::string_view id, std::string_view from, std::string_view to, std::string_view reason) {
  move_.on(connection_, "UPDATE customer_order SET state = ?3, reason = ?4 WHERE id = ?1 AND state = ?2")
      .bind_text(1, id)
      .bind_text(2, from)
      .bind_text(3, to)
      .bind_text(4, reason)
      .run();
  return sqlite3_changes(connection_) == 1;
}

}  // namespace shop
