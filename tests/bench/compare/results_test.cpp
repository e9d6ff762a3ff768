#include "bench/compare/results.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <sstream>
#include <string>

namespace skald::bench::compare {
namespace {

row measured() {
  return {.name = "nats/default",
          .acknowledges = durability::page_cache,
          .record_bytes = 1000,
          .repetitions = {{.records = 10, .publish_per_s = 300, .consume_per_s = 3000},
                          {.records = 10, .publish_per_s = 100, .consume_per_s = 1000},
                          {.records = 10, .publish_per_s = 200, .consume_per_s = 2000}},
          .trouble = {}};
}

row failed() {
  return {
      .name = "redis/fsync", .record_bytes = 1000, .repetitions = {}, .trouble = "3 of 10 records missing"};
}

TEST_CASE("the figure is the median of the repetitions, with the lowest and the highest") {
  const spread is = spread_of(measured(), &figures::publish_per_s);
  CHECK(is.median == 200);
  CHECK(is.lowest == 100);
  CHECK(is.highest == 300);
  row two = measured();
  two.repetitions.pop_back();
  CHECK(spread_of(two, &figures::consume_per_s).median == 2000);
}

TEST_CASE("the CSV has a line for each workload of those that were measured") {
  std::ostringstream out;
  print_csv(out, {measured(), failed()});
  CHECK(out.str() ==
        "workload,broker,acknowledges,record_bytes,median_per_s,lowest_per_s,highest_per_s,median_mb_per_s,"
        "repetitions\n"
        "publish,nats/default,page cache,1000,200.0,100.0,300.0,0.2,3\n"
        "consume,nats/default,page cache,1000,2000.0,1000.0,3000.0,2.0,3\n");
}

TEST_CASE("the table says why there is no figure") {
  std::ostringstream out;
  print_table(out, {measured(), failed()});
  CHECK(out.str().find("[100..300]") != std::string::npos);
  CHECK(out.str().find("3 of 10 records missing") != std::string::npos);
}

TEST_CASE("the JSON has each repetition") {
  std::ostringstream out;
  print_json(out, {measured(), failed()}, "2 processors");
  const auto all = boost::json::parse(out.str());
  CHECK(all.at("machine") == "2 processors");
  const auto& nats = all.at("results").at(0);
  CHECK(nats.at("publish").at("median_per_s") == 200.0);
  CHECK(nats.at("publish").at("repetitions").as_array().size() == 3);
  CHECK(nats.at("trouble").is_null());
  CHECK(all.at("results").at(1).at("trouble") == "3 of 10 records missing");
}

}  // namespace
}  // namespace skald::bench::compare
