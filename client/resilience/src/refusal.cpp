#include "skald/resilience/refusal.hpp"

#include <boost/asio/error.hpp>

namespace skald::resilience {

namespace {

bool says_nothing_of_the_callee(const std::error_code& code) {
  return code == errc::cancelled || code == errc::closed ||
         code == std::error_code(boost::asio::error::make_error_code(boost::asio::error::operation_aborted));
}

}  // namespace

verdict judge_call(const std::exception_ptr& failed) {
  try {
    std::rethrow_exception(failed);
  } catch (const refusal&) {
    return verdict::ignored;
  } catch (const boost::system::system_error& why) {
    return says_nothing_of_the_callee(why.code()) ? verdict::ignored : verdict::failure;
  } catch (const std::system_error& why) {
    return says_nothing_of_the_callee(why.code()) ? verdict::ignored : verdict::failure;
  } catch (...) {
    return verdict::failure;
  }
}

bool may_pass(const std::exception_ptr& failed) {
  try {
    std::rethrow_exception(failed);
  } catch (const refusal&) {
    return false;
  } catch (const error& why) {
    switch (static_cast<errc>(why.code().value())) {
      case errc::storage_full:
      case errc::shutting_down:
      case errc::overloaded:
      case errc::no_responders:
      case errc::responder_lost:
      case errc::connection_lost:
      case errc::deadline_exceeded:
      case errc::cannot_connect:
        return true;
      default:
        return false;
    }
  } catch (...) {
    return false;
  }
}

}  // namespace skald::resilience
