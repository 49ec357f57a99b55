"""Warns when a product runs low. The event is CBOR: changes of rows, as Tablestore sends them."""

import logging

import cbor2

LOW = 5


def handler(event, context):
    low = [product for product, pieces in stock(cbor2.loads(event)) if pieces < LOW]
    for product in low:
        logging.getLogger().warning("only a few left: %s", product)
    return {"low": low}


def stock(changes):
    """The products whose number of pieces was told."""
    for record in changes["Records"]:
        key = {column["ColumnName"]: column["Value"] for column in record["PrimaryKey"]}
        told = {column["ColumnName"]: column["Value"] for column in record["Columns"] if column["Type"] == "Put"}
        if "pieces" in told:
            yield key["product"], told["pieces"]
