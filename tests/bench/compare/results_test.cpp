#include "bench/compare/results.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <sstream>
#include <string>

namespace skald::bench::compare {
namespace {

std::vector<metric> latencies(double p50, double p99) {
  return {{"p50", "us", p50}, {"p99", "us", p99}};
}

row measured() {
  return {.what = workload::latency,
          .name = "nats/default",
          .acknowledges = durability::page_cache,
          .variant = "1000/s",
          .repetitions = {latencies(300, 3000), latencies(100, 1000), latencies(200, 2000)}};
}

row failed() {
  return {.what = workload::latency,
          .name = "redis/fsync",
          .variant = "1000/s",
          .trouble = "3 of 10 records missing"};
}

row unable() {
  return {.what = workload::latency, .name = "redis/pubsub", .cannot = "channels store nothing"};
}

results all() {
  return {.machine = "2 processors", .rows = {unable(), measured(), failed()}};
}

std::string table_of(const results& what) {
  std::ostringstream out;
  print_table(out, what);
  return out.str();
}

TEST_CASE("a figure is the median of the repetitions, with the lowest and the highest") {
  const limit::spread is = spread_of(measured(), 0);
  CHECK(is.median == 200);
  CHECK(is.lowest == 100);
  CHECK(is.highest == 300);
  row two = measured();
  two.repetitions.pop_back();
  CHECK(spread_of(two, 1).median == 2000);
}

TEST_CASE("the CSV has a line for each figure of those that were measured") {
  std::ostringstream out;
  print_csv(out, all());
  CHECK(out.str() ==
        "workload,broker,acknowledges,variant,figure,unit,median,lowest,highest,repetitions,run\n"
        "latency,nats/default,page cache,1000/s,p50,us,200.0,100.0,300.0,3,complete\n"
        "latency,nats/default,page cache,1000/s,p99,us,2000.0,1000.0,3000.0,3,complete\n");
}

TEST_CASE("the table says why there is no figure, and ends with those that cannot have one") {
  const std::string text = table_of(all());
  CHECK(text.find("[100..300]") != std::string::npos);
  CHECK(text.find("p99 us") != std::string::npos);
  const auto failure = text.find("3 of 10 records missing");
  const auto inability = text.find("not applicable: channels store nothing");
  REQUIRE(failure != std::string::npos);
  REQUIRE(inability != std::string::npos);
  CHECK(failure < inability);
}

TEST_CASE("each workload has a table of its own") {
  results two = all();
  two.rows.push_back(measured());
  two.rows.back().what = workload::publish;
  two.rows.back().repetitions = {{{"records", "/s", 7}}};
  const std::string text = table_of(two);
  CHECK(text.find("publish ") < text.find("latency "));
  CHECK(text.find("records /s") < text.find("latency "));
  CHECK(text.find("fanout ") == std::string::npos);
}

TEST_CASE("the JSON has each repetition") {
  std::ostringstream out;
  print_json(out, all());
  const auto json = boost::json::parse(out.str());
  CHECK(json.at("machine") == "2 processors");
  CHECK(json.at("complete") == true);
  const auto& nats = json.at("results").at(1);
  CHECK(nats.at("workload") == "latency");
  CHECK(nats.at("figures").at(0).at("figure") == "p50");
  CHECK(nats.at("figures").at(0).at("median") == 200.0);
  CHECK(nats.at("figures").at(1).at("repetitions").as_array().size() == 3);
  CHECK(nats.at("trouble").is_null());
  CHECK(json.at("results").at(0).at("cannot") == "channels store nothing");
  CHECK(json.at("results").at(2).at("trouble") == "3 of 10 records missing");
  CHECK(json.at("results").at(2).at("figures").as_array().empty());
}

TEST_CASE("what was interrupted says so, wherever it is shown") {
  results part = all();
  part.complete = false;
  CHECK(table_of(part).find("partial") != std::string::npos);
  CHECK(table_of(all()).find("partial") == std::string::npos);
  std::ostringstream csv;
  print_csv(csv, part);
  CHECK(csv.str().find(",partial\n") != std::string::npos);
  std::ostringstream json;
  print_json(json, part);
  CHECK(boost::json::parse(json.str()).at("complete") == false);
}

}  // namespace
}  // namespace skald::bench::compare
