// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/datagram.hpp>

#include "connection/datagram_core.hpp"

namespace multiprocessing {

using detail::DatagramCore;

DatagramSocket::DatagramSocket(const Address& address)
    : core_(std::make_shared<DatagramCore>(DatagramCore::bind(address))) {}

void DatagramSocket::sendto(std::span<const std::byte> bytes, const Address& to, Timeout timeout) {
  DatagramCore::of(*this).send(bytes, to, os::Deadline::after(timeout));
}
Datagram DatagramSocket::recvfrom(Timeout timeout) {
  return DatagramCore::of(*this).receive(os::Deadline::after(timeout));
}
const Address& DatagramSocket::address() const { return DatagramCore::of(*this).address(); }
int DatagramSocket::fileno() const { return DatagramCore::of(*this).fileno(); }
void DatagramSocket::close() { core_->close(); }
bool DatagramSocket::closed() const noexcept { return core_->closed(); }

namespace detail {

void Traveller<DatagramSocket>::encode(Encoder& encoder, const DatagramSocket& socket) {
  DatagramCore::of(socket).travel(encoder);
}
DatagramSocket Traveller<DatagramSocket>::decode(Decoder& decoder) {
  return DatagramCore::arrive(decoder);
}

}  // namespace detail
}  // namespace multiprocessing
