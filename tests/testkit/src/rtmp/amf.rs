//! AMF0 values, as many kinds as RTMP commands have (AMF0 specification §2).

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A double.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// At most 65 535 bytes of UTF-8.
    Text(String),
    /// Named values in order.
    Object(Vec<(String, Value)>),
    /// The same, as `onMetaData` has it.
    Map(Vec<(String, Value)>),
    /// Values in order.
    Array(Vec<Value>),
    /// Nothing.
    Null,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl Value {
    /// The member `name` of an object or map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) | Self::Map(members) => {
                members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                out.push(0);
                out.extend(number.to_be_bytes());
            }
            Self::Boolean(boolean) => out.extend([1, u8::from(*boolean)]),
            Self::Text(text) => {
                out.push(2);
                write_name(text, out);
            }
            Self::Object(members) => {
                out.push(3);
                write_members(members, out);
            }
            Self::Null => out.push(5),
            Self::Map(members) => {
                out.push(8);
                out.extend((members.len() as u32).to_be_bytes());
                write_members(members, out);
            }
            Self::Array(values) => {
                out.push(10);
                out.extend((values.len() as u32).to_be_bytes());
                for value in values {
                    value.write(out);
                }
            }
        }
    }

    /// The next value, or `None` when there is none that RTMP servers answer with.
    fn read(data: &mut &[u8]) -> Option<Self> {
        Some(match take(data, 1)?[0] {
            0 => Self::Number(f64::from_be_bytes(take(data, 8)?.try_into().ok()?)),
            1 => Self::Boolean(take(data, 1)?[0] != 0),
            2 => Self::Text(read_name(data)?),
            3 => Self::Object(read_members(data)?),
            5 | 6 => Self::Null,
            8 => {
                take(data, 4)?;
                Self::Map(read_members(data)?)
            }
            10 => {
                let count = u32::from_be_bytes(take(data, 4)?.try_into().ok()?);
                Self::Array((0..count).map(|_| Self::read(data)).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

/// Values one after another, as a command or data message has them.
#[must_use]
pub fn encode(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        value.write(&mut out);
    }
    out
}

/// Every value up to the end or to the first that cannot be read.
#[must_use]
pub fn decode(mut data: &[u8]) -> Vec<Value> {
    std::iter::from_fn(|| Value::read(&mut data)).collect()
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.extend((name.len() as u16).to_be_bytes());
    out.extend(name.as_bytes());
}

fn write_members(members: &[(String, Value)], out: &mut Vec<u8>) {
    for (name, value) in members {
        write_name(name, out);
        value.write(out);
    }
    out.extend([0, 0, 9]);
}

fn read_name(data: &mut &[u8]) -> Option<String> {
    let length = u16::from_be_bytes(take(data, 2)?.try_into().ok()?);
    Some(String::from_utf8_lossy(take(data, usize::from(length))?).into_owned())
}

fn read_members(data: &mut &[u8]) -> Option<Vec<(String, Value)>> {
    let mut members = Vec::new();
    loop {
        let name = read_name(data)?;
        if name.is_empty() {
            return (take(data, 1)? == [9]).then_some(members);
        }
        members.push((name, Value::read(data)?));
    }
}

fn take<'a>(data: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = data.split_at_checked(count)?;
    *data = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way() {
        let values = [
            "connect".into(),
            1.0.into(),
            Value::Object(vec![("app".into(), "live".into()), ("list".into(), Value::Array(vec!["av01".into()]))]),
            Value::Map(vec![("stereo".into(), true.into())]),
            Value::Null,
        ];
        assert_eq!(decode(&encode(&values)), values);
    }
}
