/** Header fields as names and values, in the order in which they came. */
export type FieldList = readonly (readonly [name: string, value: string])[];

/** Every value of `name`, compared without case. */
export function valuesOf(fields: FieldList, name: string): string[] {
  return fields.filter(([given]) => given.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}
