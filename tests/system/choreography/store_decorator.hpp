// A store that passes everything on to another, and has something happen before and after each step of a
// local transaction.
#pragma once

#include <skald/outbox/store.hpp>
#include <vector>

namespace skald::tests {

class store_decorator : public outbox::store {
 public:
  enum class step : std::uint8_t { begin, begin_part, receive, add, keep_part, commit };

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
  bool has_received(std::string_view consumer, std::string_view message_id) override {
    return of_.has_received(consumer, message_id);
  }
  std::vector<outbox::row> unsent(std::uint32_t rows_max, std::uint64_t bytes_max) override {
    return of_.unsent(rows_max, bytes_max);
  }
  void remove(std::span<const std::int64_t> positions) override { of_.remove(positions); }
  void park(std::int64_t position, std::string_view reason) override { of_.park(position, reason); }
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
