// A store in memory that survives whatever is over it, commits atomically and fails on request.
#pragma once

#include <array>
#include <cassert>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "broker/state/store.hpp"

namespace skald::testing {

class sim_store final : public state::store {
 public:
  using rows = std::map<std::string, std::string>;

  std::optional<std::string> get(state::table_id table, std::string_view key) const override {
    const rows& in = of(table);
    const auto found = in.find(std::string(key));
    return found == in.end() ? std::nullopt : std::optional(found->second);
  }
  std::unique_ptr<state::cursor> read(state::table_id table) const override {
    return std::make_unique<sim_cursor>(of(table));
  }
  result<> commit(const std::function<void(state::writer&)>& changes) override {
    if (fail_with_ != errc::ok) return failure{fail_with_, "the simulated store was told to fail"};
    sim_writer to(tables_);
    changes(to);
    ++commits_;
    return {};
  }

  // Until told otherwise with errc::ok.
  void fail_with(errc code) { fail_with_ = code; }
  int commits() const { return commits_; }
  rows& of(state::table_id table) { return tables_[static_cast<std::size_t>(table)]; }
  const rows& of(state::table_id table) const { return tables_[static_cast<std::size_t>(table)]; }

 private:
  using all_tables = std::array<rows, state::table_count>;

  class sim_cursor final : public state::cursor {
   public:
    explicit sim_cursor(const rows& in) : rows_(in), at_(in.end()) {}
    bool seek_at_or_after(std::string_view key) override {
      at_ = rows_.lower_bound(std::string(key));
      return at_ != rows_.end();
    }
    bool seek_at_or_before(std::string_view key) override {
      at_ = rows_.upper_bound(std::string(key));
      if (key.empty() || at_ == rows_.begin()) return false;
      --at_;
      return true;
    }
    bool next() override { return ++at_ != rows_.end(); }
    std::string_view key() const override { return at_->first; }
    std::string_view value() const override { return at_->second; }

   private:
    const rows& rows_;
    rows::const_iterator at_;
  };

  class sim_writer final : public state::writer {
   public:
    explicit sim_writer(all_tables& to) : to_(to) {}
    void put(state::table_id table, std::string_view key, std::string_view value) override {
      to_[static_cast<std::size_t>(table)][std::string(key)] = value;
    }
    void erase(state::table_id table, std::string_view key) override {
      to_[static_cast<std::size_t>(table)].erase(std::string(key));
    }

   private:
    all_tables& to_;
  };

  all_tables tables_;
  errc fail_with_ = errc::ok;
  int commits_ = 0;
};

}  // namespace skald::testing
