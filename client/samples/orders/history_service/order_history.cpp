#include "client/samples/orders/history_service/order_history.hpp"

#include "client/samples/orders/common/messages.hpp"

namespace shop {

namespace {

constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS customer (
  id           TEXT PRIMARY KEY,
  name         TEXT NOT NULL,
  credit_limit INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS customer_order (
  position INTEGER PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  customer TEXT NOT NULL,
  amount   INTEGER NOT NULL,
  state    TEXT NOT NULL,
  reason   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS order_customer ON customer_order (customer);
)";

template <message Event>
Event read(const skald::eventsourcing::recorded_event& happened) {
  return skald::sagas::codec<Event>::from_bytes(happened.data);
}

}  // namespace

order_history::order_history(sqlite3* connection) : connection_(connection) {
  skald::outbox::execute_sqlite(connection_, schema);
}

void order_history::apply(const skald::record& event) {
  const auto happened = skald::eventsourcing::event_of(event);
  if (happened.type == customer_created::type) {
    const auto created = read<customer_created>(happened);
    add_customer_.on(connection_, "INSERT INTO customer (id, name, credit_limit) VALUES (?1, ?2, ?3)")
        .bind_text(1, created.customer)
        .bind_text(2, created.name)
        .bind(3, created.limit)
        .run();
  } else if (happened.type == order_created::type) {
    const auto created = read<order_created>(happened);
    add_order_
        .on(connection_,
            "INSERT INTO customer_order (id, customer, amount, state) VALUES (?1, ?2, ?3, 'PENDING')")
        .bind_text(1, created.order)
        .bind_text(2, created.customer)
        .bind(3, created.amount)
        .run();
  } else if (happened.type == order_confirmed::type) {
    move(read<order_confirmed>(happened).order, "CREDIT_CONFIRMED", "");
  } else if (happened.type == order_rejected::type) {
    const auto rejected = read<order_rejected>(happened);
    move(rejected.order, "REJECTED", rejected.reason);
  } else if (happened.type == order_cancelled::type) {
    move(read<order_cancelled>(happened).order, "CANCELLED", "");
  }
}

void order_history::move(std::string_view order, std::string_view state, std::string_view reason) {
  move_order_.on(connection_, "UPDATE customer_order SET state = ?2, reason = ?3 WHERE id = ?1")
      .bind_text(1, order)
      .bind_text(2, state)
      .bind_text(3, reason)
      .run();
}

history_reader::history_reader(const std::filesystem::path& file) : file_(file) {}

std::optional<customer_history> history_reader::find(std::string_view customer) {
  std::optional<customer_history> found;
  customer_.on(file_.connection(), "SELECT name, credit_limit FROM customer WHERE id = ?1")
      .bind_text(1, customer);
  while (customer_.step())
    found = customer_history{.name = customer_.bytes(0), .limit = customer_.integer(1), .orders = {}};
  if (!found) return found;
  orders_
      .on(file_.connection(),
          "SELECT id, amount, state, reason FROM customer_order WHERE customer = ?1 ORDER BY position")
      .bind_text(1, customer);
  while (orders_.step())
    found->orders.push_back({.order = orders_.bytes(0),
                             .amount = orders_.integer(1),
                             .state = orders_.bytes(2),
                             .reason = orders_.bytes(3)});
  return found;
}

}  // namespace shop
