"""The project as a file: `crossdock apply` and `crossdock export` are inverses."""

from crossdock.declare.apply import Applied, apply
from crossdock.declare.difference import Difference, differences
from crossdock.declare.document import Project, read
from crossdock.declare.export import export

__all__ = ["Applied", "Difference", "Project", "apply", "differences", "export", "read"]
