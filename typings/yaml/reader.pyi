from . import YAMLError

class ReaderError(YAMLError):
    character: int | str
    position: int
