// Asio's compiled part. Client and broker both need it and may be linked into one process, so neither of them
// carries it: it is this library.
#include <boost/asio/impl/src.hpp>
