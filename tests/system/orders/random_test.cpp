// A random run of the shop: customers come, order and cancel, while its processes are killed and stopped.
// Whatever comes of it, the books agree in the end. A failure prints the seed.
#include <atomic>
#include <future>
#include <random>

#include "tests/effort.hpp"
#include "tests/system/orders/shop_books.hpp"

namespace skald::tests {

namespace {

class random_shop : public shop_scene {
 public:
  explicit random_shop(std::uint64_t seed) : random_(seed), harm_(seed + 1) {}

  // What customers do, one after the other; from a thread of its own.
  void do_business(std::uint64_t times) {
    for (; done_ < times; ++done_) {
      const std::uint64_t dice = random_() % 10;
      if (dice == 0 || customers_ == 0) {
        create_customer("customer-" + std::to_string(customers_++),
                        static_cast<std::int64_t>(1 + random_() % 100));
      } else if (dice <= 7 || orders_ == 0) {
        // Some are of a customer who does not exist.
        const std::string customer = "customer-" + std::to_string(random_() % (customers_ + 1));
        create_order("order-" + std::to_string(orders_++), customer,
                     static_cast<std::int64_t>(1 + random_() % 30));
      } else {
        const std::string id = "order-" + std::to_string(random_() % orders_);
        cancelled_ += ask("orders.cancel", json::serialize(json::value{{"order", id}})).refused == 0 ? 1 : 0;
      }
    }
  }
  // One fault, at no moment in particular: when some more has been done, or all.
  template <class Over>
  void do_harm(Over is_over) {
    const std::uint64_t until = done_ + harm_() % 12;
    becomes([&] { return done_ >= until || is_over(); });
    const service victim = all_services.at(harm_() % all_services.size());
    switch (harm_() % 4) {
      case 0:
        kill_broker();
        break;
      case 1:  // It is there, and says nothing for a while; how long is a part of the fault.
        process(victim).send_signal(SIGSTOP);
        std::this_thread::sleep_for(milliseconds(harm_() % 300));
        process(victim).send_signal(SIGCONT);
        break;
      default:
        kill(victim);
    }
  }
  std::uint64_t orders() const { return orders_; }
  std::uint64_t cancelled() const { return cancelled_; }

 private:
  std::mt19937_64 random_;  // of the business
  std::mt19937_64 harm_;
  std::atomic<std::uint64_t> done_ = 0;
  std::uint64_t customers_ = 0;
  std::uint64_t orders_ = 0;
  std::uint64_t cancelled_ = 0;
};

}  // namespace

TEST_SUITE("sample services at random") {
  TEST_CASE("whatever customers do, and whoever is killed, orders and credit agree in the end") {
    // SKALD_SHOP_STEPS and SKALD_SHOP_SEED choose a longer run, or the same again.
    const std::uint64_t steps = number_from_environment("SKALD_SHOP_STEPS", effort(400));
    const std::uint64_t seed = number_from_environment("SKALD_SHOP_SEED", std::random_device{}());
    CAPTURE(seed);
    random_shop shop(seed);
    shop_books books(shop);
    auto business = std::async(std::launch::async, [&] { shop.do_business(steps); });
    const auto is_over = [&] { return business.wait_for(milliseconds(0)) == std::future_status::ready; };
    while (!is_over()) shop.do_harm(is_over);
    business.get();
    CHECK(becomes([&] { return books.are_settled(); }));
    books.check_invariants();
    MESSAGE("seed " << seed << ": " << shop.orders() << " orders, " << shop.cancelled() << " cancelled");
  }
}

}  // namespace skald::tests
