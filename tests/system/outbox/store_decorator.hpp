// A store that passes everything on to another, and has something happen before and after each step of a
// local transaction, and of a relay.
#pragma once

#include <skald/outbox/store.hpp>
#include <vector>

namespace skald::tests {

class store_decorator : public outbox::store {
 public:
  enum class step : std::uint8_t {
    begin,
    begin_part,
    receive,
    keep_answer,
    add,
    keep_part,
    commit,
    unsent,
    remove,
    park
  };

  explicit store_decorator(outbox::store& of) : of_(of) {}

  void create_tables() override { of_.create_tables(); }
  void begin() override {
    before(step::begin);
    of_.begin();
    after(step::begin);
  }
  void commit() override {
    before(step::commit);
    of_.commit();
    after(step::commit);
  }
  void rollback() noexcept override { of_.rollback(); }
  void begin_part() override {
    before(step::begin_part);
    of_.begin_part();
    after(step::begin_part);
  }
  void keep_part() override {
    before(step::keep_part);
    of_.keep_part();
    after(step::keep_part);
  }
  void undo_part() override { of_.undo_part(); }
  void add(const outbox::new_row& what) override {
    before(step::add);
    of_.add(what);
    after(step::add);
  }
  bool receive(std::string_view consumer, std::string_view message_id) override {
    before(step::receive);
    const bool is_new = of_.receive(consumer, message_id);
    after(step::receive);
    return is_new;
  }
  void keep_answer(std::string_view consumer, std::string_view message_id, std::string_view answer) override {
    before(step::keep_answer);
    of_.keep_answer(consumer, message_id, answer);
    after(step::keep_answer);
  }
  std::optional<std::string> kept_answer(std::string_view consumer, std::string_view message_id) override {
    return of_.kept_answer(consumer, message_id);
  }
  std::vector<outbox::row> unsent(std::uint32_t rows_max, std::uint64_t bytes_max) override {
    before(step::unsent);
    std::vector<outbox::row> rows = of_.unsent(rows_max, bytes_max);
    after(step::unsent);
    return rows;
  }
  void remove(std::span<const std::int64_t> positions) override {
    before(step::remove);
    of_.remove(positions);
    after(step::remove);
  }
  void park(std::int64_t position, std::string_view reason) override {
    before(step::park);
    of_.park(position, reason);
    after(step::park);
  }
  std::vector<outbox::parked_row> parked(std::uint32_t rows_max) override { return of_.parked(rows_max); }
  std::uint64_t retry_parked() override { return of_.retry_parked(); }
  std::uint64_t clean_inbox(std::chrono::seconds older_than, std::uint32_t rows_max) override {
    return of_.clean_inbox(older_than, rows_max);
  }
  outbox::outbox_statistics statistics() override { return of_.statistics(); }
  void reconnect() override { of_.reconnect(); }

 protected:
  virtual void before(step) {}
  virtual void after(step) {}

 private:
  outbox::store& of_;
};

}  // namespace skald::tests
