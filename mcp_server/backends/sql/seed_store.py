"""What the sample plant has and who was trained: stock, lots, training, meter readings, and the plant's calendar."""

from collections.abc import Iterator

from mcp_server.backends.sql.seed_files import SampleFiles, listed, read
from mcp_server.domain.records import Lot, MeterReading, PlantDay, StockItem, TrainingRecord

__all__ = ["lots", "meter_readings", "plant_days", "stock_items", "training_records"]


def stock_items(files: SampleFiles) -> Iterator[StockItem]:
    for row in files.rows("stock_items"):
        yield read(StockItem, row, machine_types=listed(row["machine_types"]))


def lots(files: SampleFiles) -> Iterator[Lot]:
    for row in files.rows("lots"):
        yield read(Lot, row, made_on=files.day(row["made_on"]))


def training_records(files: SampleFiles) -> Iterator[TrainingRecord]:
    for row in files.rows("training_records"):
        days = {name: files.day_or_none(row[name]) for name in ("trained_on", "valid_until")}
        yield read(TrainingRecord, row, **days)


def meter_readings(files: SampleFiles) -> Iterator[MeterReading]:
    for row in files.rows("meter_readings"):
        yield read(MeterReading, row, read_at=files.moment(row["read_at"]))


def plant_days(files: SampleFiles) -> Iterator[PlantDay]:
    for row in files.rows("plant_calendar"):
        yield read(PlantDay, row, from_on=files.day(row["from_on"]), to_on=files.day(row["to_on"]))
