"""What our own messages are made of, as proto/varint.h has it."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def raw(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self):
        text = self.raw(self.number())
        self.at += 1
        return text.decode()
