// Sums up a reading of sensors: [{"sensor": "a", "celsius": 21.5}, …] in, a summary out.

interface Reading {
  sensor: string;
  celsius: number;
}

interface Summary {
  count: number;
  warmest?: string;
  mean?: number;
}

export const handler = async (event: Uint8Array): Promise<Summary> => {
  const readings = JSON.parse(new TextDecoder().decode(event)) as Reading[];
  if (readings.length === 0) return { count: 0 };
  const warmest = readings.reduce((a, b) => (b.celsius > a.celsius ? b : a));
  const sum = readings.reduce((total, reading) => total + reading.celsius, 0);
  return { count: readings.length, warmest: warmest.sensor, mean: sum / readings.length };
};
