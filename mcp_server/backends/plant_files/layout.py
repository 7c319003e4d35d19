"""Which CSV files a plant may have, and what stands in their columns. docs/reference/plant-files.md says what for."""

from mcp_server.backends.plant_files.maintenance_files import MAINTENANCE_FILES
from mcp_server.backends.plant_files.master_files import MASTER_DATA_FILES
from mcp_server.backends.plant_files.procedure_files import PROCEDURE_FILES
from mcp_server.backends.plant_files.quality_files import QUALITY_FILES

__all__ = ["PLANT_FILES"]

PLANT_FILES = (*MASTER_DATA_FILES, *MAINTENANCE_FILES, *PROCEDURE_FILES, *QUALITY_FILES)
"""In the order in which a plant is best written down."""
