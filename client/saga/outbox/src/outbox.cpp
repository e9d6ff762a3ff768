#include "skald/saga/outbox.hpp"

#include <vector>

#include <skald/saga/messages.hpp>

namespace skald::sagas {

void start_bytes(outbox::transaction& within, std::string_view orchestrator, std::string_view saga,
                 std::string_view id, std::string_view data, std::string_view correlation) {
  check_saga_id(id);
  const std::vector<header> with =
      start_headers(saga, id, correlation, !within.traced().correlation_id.empty());
  within.publish(inputs_topic(orchestrator), {.key = id, .value = data, .headers = with},
                 start_message_id(id));
}

void run_locals_in(outbox::group_committer& database, orchestrator& of) {
  of.run_locals_by([&database](const tracing::lineage& cause, const std::function<void()>& work) {
    return database.run([&cause, &work](outbox::transaction& change) {
      change.trace(cause);
      work();
    });
  });
}

}  // namespace skald::sagas
